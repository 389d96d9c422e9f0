// Windows of an axis that start at place 0 and move by a stride: which of them hold a place.

inline int first_window(const int place, const int window, const int stride)
{
    return place < window ? 0 : (place - window) / stride + 1;
}

// One after the last of `count` windows.
inline int end_of_windows(const int place, const int stride, const int count)
{
    return place < 0 ? 0 : min(place / stride + 1, count);
}
