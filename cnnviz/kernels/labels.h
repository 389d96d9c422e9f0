// Scores seen as items.h has it, the channels being classes, with one label for each place.

#include "items.h"

#define LABEL_SIZES const int outer, const int classes, const int inner, const int has_ignore, const int ignore

// The label of the item, whether it counts for nothing, and whether it is a class.
#define LABEL \
    const int label = (int)labels[item], ignored = has_ignore && label == ignore; \
    const int known = label >= 0 && label < classes;

// Writes the item's loss, 0 where its label is ignored, and whether it counts.
#define WRITE_LOSS(loss) \
    losses[item] = ignored ? 0 : (loss); \
    losses[outer * inner + item] = !ignored;
