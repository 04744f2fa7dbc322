// Subgroups: whatever size they have on a device, their operations agree with each other and with the work-items that they are made of. A device
// without them has subgroups of one.
#include "groups.h"
#include "support.h"

enum { GROUPS = 10, GROUP_SIZE = 96, ITEMS = GROUPS * GROUP_SIZE, FIELDS = 12 };

// What each work-item stores: its subgroup's mark (the first work-item's number), size, lane, and what the operations give.
static const char body[] =
    "uint i = global_id.x, at = 12u * i; int k = int(local_id.x) * 7 - 300; float v = float(k) * 0.5;\n"
    "y[at] = subgroup_min(i); y[at + 1u] = subgroup_size; y[at + 2u] = subgroup_lane;\n"
    "y[at + 3u] = subgroup_add(1u); y[at + 4u] = uint(subgroup_add(k)); y[at + 5u] = as_uint(subgroup_add(v));\n"
    "y[at + 6u] = uint(subgroup_min(k)); y[at + 7u] = uint(subgroup_max(k)); y[at + 8u] = subgroup_max(i);\n"
    "y[at + 9u] = as_uint(subgroup_min(v)); y[at + 10u] = as_uint(subgroup_max(v));\n"
    "y[at + 11u] = share(i);";
static const char header[] = "uint share(uint i) { return subgroup_broadcast(i, subgroup_size - subgroup_size) + "
                             "subgroup_broadcast(0u, 0u); }\n";

static uint32_t fields[ITEMS][FIELDS];

static void run(ct_fixture *f)
{
    const fm_kernel_param param = {"y", FM_DTYPE_U32, FM_ACCESS_WRITE};
    fm_kernel_info info = {.name = "subgroups",
                           .header = header,
                           .code = body,
                           .params = &param,
                           .param_count = 1,
                           .group_size = {GROUP_SIZE, 1, 1}};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer buffer = ct_buffer(f, sizeof fields);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, GROUPS, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    ct_read(f, buffer, 0, sizeof fields, fields);
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static float real_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// What work-item i found must follow from those that found the same mark.
static void expect_item(uint32_t i, uint32_t size)
{
    uint32_t count = 0, first = 0, most = 0;
    uint64_t lanes[4] = {0};
    int32_t sum = 0, least = INT32_MAX, greatest = INT32_MIN;
    const uint32_t *own = fields[i];
    for (uint32_t j = 0; j < ITEMS; j++) {
        if (fields[j][0] != own[0]) continue;
        int32_t k = (int32_t)(j % GROUP_SIZE) * 7 - 300;
        assert_int_equal(j / GROUP_SIZE, i / GROUP_SIZE); // never across workgroups
        assert_true(fields[j][2] < size && !(lanes[fields[j][2] / 64] >> (fields[j][2] % 64) & 1));
        lanes[fields[j][2] / 64] |= UINT64_C(1) << (fields[j][2] % 64); // each lane once
        first = fields[j][2] == 0 ? j : first;
        most = j;
        count++;
        sum += k;
        least = k < least ? k : least;
        greatest = k > greatest ? k : greatest;
    }
    assert_true(own[1] == size && count <= size);
    assert_int_equal(own[3], count);
    assert_int_equal((int32_t)own[4], sum);
    assert_true(real_of(own[5]) == (float)sum * 0.5f); // exact in any order
    assert_int_equal((int32_t)own[6], least);
    assert_int_equal((int32_t)own[7], greatest);
    assert_int_equal(own[8], most);
    assert_true(real_of(own[9]) == (float)least * 0.5f && real_of(own[10]) == (float)greatest * 0.5f);
    assert_int_equal(own[11], first);
}

static void subgroup_operations_are_of_the_items_that_share_them(void **state)
{
    ct_fixture *f = *state;
    assert_true(f->properties.subgroup_size >= 1 && f->properties.subgroup_size <= 256);
    if (f->properties.kind == FM_DEVICE_HOST) assert_int_equal(f->properties.subgroup_size, 1);
    run(f);
    for (uint32_t i = 0; i < ITEMS; i++) expect_item(i, f->properties.subgroup_size);
}

// The text that is right for every size: one atomic a subgroup.
static void subgroup_sums_add_up_to_the_whole(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel =
        ct_kernel(f,
                  "uint sum = subgroup_add(global_id.x); if (subgroup_lane == 0u) atomic_add(y[0], sum);\n"
                  "y[1] = -subgroup_size + subgroup_size;",
                  CT_PARAMS({"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}), NULL, 0);
    fm_buffer buffer = ct_buffer(f, 8);
    fm_dispatch_info info = ct_dispatch_info(kernel, 100, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    const uint32_t wanted[2] = {6399 * 6400 / 2, 0};
    ct_expect_content(f, buffer, wanted, sizeof wanted);
}

static void subgroup_mistakes_are_refused_by_name(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        const char *code;
        const char *sentence;
    } cases[] = {
        {"y[0] = subgroup_add(1l) > 1l ? 1u : 2u;",
         "column 21: 'subgroup_add' takes a float, an int or a uint, and this is a long"},
        {"y[0] = subgroup_add(true);", "and this is a bool"},
        {"y[0] = subgroup_broadcast(1u);", "'subgroup_broadcast' takes 2 arguments, not 1"},
        {"y[0] = subgroup_broadcast(1u, 1.0);", "column 31: this argument is a uint, and this is a float"},
        {"subgroup_size = 3u;", "nothing can be stored to"},
        {"y[0] = warpSize;", "here it is called 'subgroup_size'"},
        {"y[0] = uint(__shfl_down_sync(0u, 1.0, 1));", "of subgroups there are subgroup_add"},
    };
    const fm_kernel_param param = {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_kernel_info info = {.name = "subgroups", .code = cases[i].code, .params = &param, .param_count = 1};
        fm_kernel kernel = {0};
        fm_status status = fm_kernel_create(f->device, &info, &kernel);
        if (status != FM_ERROR_COMPILE || !strstr(fm_last_error(), cases[i].sentence)) {
            fail_msg("'%s' gave %s: %s", cases[i].code, fm_status_name(status), fm_last_error());
        }
    }
}

int ct_group_subgroups(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(subgroup_operations_are_of_the_items_that_share_them),
        CT_TEST(subgroup_sums_add_up_to_the_whole),
        CT_TEST(subgroup_mistakes_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("subgroups", tests, NULL, NULL);
}
