// A blob seen as (outer, channels, inner): one work item (i, o) has all channels of one place. Groups of work
// items may reach beyond.

#define ITEM(channels) \
    const size_t i = get_global_id(0), o = get_global_id(1); \
    if (i >= inner || o >= outer) return; \
    const size_t item = o * inner + i, at = o * channels * inner + i;

// Where channel c of the item lies.
#define C(c) (at + (size_t)(c) * inner)
