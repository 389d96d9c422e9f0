"""The graph of a net: from a Graph to a scene, and from a scene to SVG, HTML, pixels and .dot."""
