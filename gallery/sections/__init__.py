"""The page's sections: one module each, with a class called ``SECTION``, found by walking this folder."""
