// The table of dtypes. See dtype.h.
// No state; any thread.
#include "language/dtype.h"

// A row whose place is not its enumerator's, or a dtype without a row, is found here.
#define IN_PLACE(dtype, ...)                                                                                           \
    _Static_assert((int)FMI_PLACE_OF_##dtype == (int)FM_DTYPE_##dtype, "rows stand as the enumerators do");
FMI_DTYPES(IN_PLACE)

#define ROW(dtype, ...) [FM_DTYPE_##dtype] = {__VA_ARGS__},
static const fmi_dtype_row rows[FMI_DTYPE_END] = {[FM_DTYPE_NONE] = {.vtype = FMI_VT_ANY}, FMI_DTYPES(ROW)};

const fmi_dtype_row *fmi_dtype_get(fm_dtype dtype)
{
    return &rows[(unsigned)dtype < FMI_DTYPE_END ? dtype : FM_DTYPE_NONE];
}

uint32_t fmi_dtype_place(fm_dtype dtype, uint32_t *at_bytes)
{
    uint32_t size = fmi_dtype_get(dtype)->size_bytes;
    uint32_t offset = (*at_bytes + size - 1) / size * size;
    *at_bytes = offset + size;
    return offset;
}
