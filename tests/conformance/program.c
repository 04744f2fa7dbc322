// Random programs against a model. See program.h.
#include "program.h"

#include <inttypes.h>

// A range of a buffer that the open list has used since its last barrier.
typedef struct range {
    uint32_t buffer;
    uint64_t offset_bytes;
    uint64_t size_bytes;
    bool write;
} range;

// A read-back and what it must give.
typedef struct expected_read {
    uint8_t *got;
    uint8_t *want;
    uint64_t size_bytes;
} expected_read;

typedef struct program {
    ct_fixture *fixture;
    const program_kernels *kernels;
    const program_options *options;
    ct_random random;
    fm_buffer buffers[PROGRAM_BUFFERS];
    uint64_t sizes[PROGRAM_BUFFERS];
    uint8_t *model[PROGRAM_BUFFERS];
    fm_stream streams[PROGRAM_STREAMS];
    uint64_t last_use[PROGRAM_BUFFERS][PROGRAM_STREAMS]; // value of the stream's last list that touched the buffer
    fm_commands *commands;                               // the open list
    uint32_t touched;                                    // bit b: the open list uses buffer b
    bool untracked;                                      // the open list is
    range ranges[PROGRAM_RANGES];
    uint32_t range_count;
    expected_read reads[PROGRAM_READS];
    uint32_t read_count;
} program;

program_kernels program_create_kernels(ct_fixture *fixture)
{
    program_kernels kernels;
    kernels.put = ct_kernel(fixture, "uint i = global_id.x; if (i < count) y[i] = i * value + count;",
                            CT_PARAMS({"y", FM_DTYPE_U32, FM_ACCESS_WRITE}),
                            CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
    kernels.step = ct_kernel(fixture, "uint i = global_id.x; if (i < count) y[i] = 3u * y[i] + value;",
                             CT_PARAMS({"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}),
                             CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
    kernels.mix = ct_kernel(fixture, "uint i = global_id.x; if (i < count) y[i] = y[i] * 5u + x[i] + value;",
                            CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}),
                            CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
    return kernels;
}

static uint32_t below(program *p, uint64_t limit)
{
    return ct_random_below(&p->random, (uint32_t)limit);
}

static bool overlap(const range *a, const range *b)
{
    return a->buffer == b->buffer && a->offset_bytes < b->offset_bytes + b->size_bytes &&
           b->offset_bytes < a->offset_bytes + a->size_bytes;
}

// Notes what a command uses. In an untracked list it first places the barrier that the caller owes.
static void use(program *p, const range *uses, uint32_t count)
{
    bool conflict = p->range_count + count > PROGRAM_RANGES;
    for (uint32_t i = 0; i < count; i++) {
        p->touched |= 1u << uses[i].buffer;
        for (uint32_t k = 0; k < p->range_count; k++) {
            if ((uses[i].write || p->ranges[k].write) && overlap(&uses[i], &p->ranges[k])) conflict = true;
        }
    }
    if (conflict) {
        if (p->untracked) CT_OK(fm_barrier(p->commands));
        p->range_count = 0;
    }
    for (uint32_t i = 0; i < count; i++) p->ranges[p->range_count++] = uses[i];
}

// A range of whole words that may be bound: its offset is aligned as the device asks.
static range random_binding(program *p, uint32_t buffer, bool write)
{
    uint64_t step = p->fixture->properties.binding_alignment_bytes;
    step = step < 4 ? 4 : step;
    uint64_t offset = step * below(p, (p->sizes[buffer] - 4) / step + 1);
    uint64_t most = (p->sizes[buffer] - offset) / 4;
    return (range){buffer, offset, 4 * (uint64_t)(1 + below(p, most)), write};
}

static range random_bytes(program *p, uint32_t buffer, bool write)
{
    uint64_t offset = below(p, p->sizes[buffer]);
    return (range){buffer, offset, 1 + below(p, p->sizes[buffer] - offset), write};
}

static uint32_t get_word(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

static void put_word(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, 4);
}

static void do_dispatch(program *p)
{
    uint32_t kind = below(p, 3);
    range y = random_binding(p, below(p, PROGRAM_BUFFERS), true);
    range x = random_binding(p, below(p, PROGRAM_BUFFERS), false);
    if (x.size_bytes > y.size_bytes) x.size_bytes = y.size_bytes;
    if (kind == 2 && overlap(&x, &y)) kind = 1; // within one dispatch there is no order
    if (kind == 2) y.size_bytes = x.size_bytes;
    ct_set_constants constants = {(uint32_t)(y.size_bytes / 4), (uint32_t)ct_random_next(&p->random)};
    const fm_binding x_binding = {
        .buffer = p->buffers[x.buffer], .offset_bytes = x.offset_bytes, .size_bytes = x.size_bytes};
    const fm_binding y_binding = {
        .buffer = p->buffers[y.buffer], .offset_bytes = y.offset_bytes, .size_bytes = y.size_bytes};
    const fm_binding both[2] = {kind == 2 ? x_binding : y_binding, y_binding};
    const range uses[2] = {y, x};
    use(p, uses, kind == 2 ? 2 : 1);
    const fm_kernel kernels[3] = {p->kernels->put, p->kernels->step, p->kernels->mix};
    fm_dispatch_info info = ct_dispatch_info(kernels[kind], (constants.count + 63) / 64, both, kind == 2 ? 2 : 1,
                                             &constants, sizeof constants);
    CT_OK(fm_dispatch(p->commands, &info));
    uint8_t *to = p->model[y.buffer] + y.offset_bytes;
    const uint8_t *from = p->model[x.buffer] + x.offset_bytes;
    for (uint32_t i = 0; i < constants.count; i++, to += 4) {
        if (kind == 0) put_word(to, i * constants.value + constants.count);
        if (kind == 1) put_word(to, 3 * get_word(to) + constants.value);
        if (kind == 2) put_word(to, get_word(to) * 5 + get_word(from + 4 * (size_t)i) + constants.value);
    }
}

static void do_copy(program *p)
{
    range from = random_bytes(p, below(p, PROGRAM_BUFFERS), false);
    range to = random_bytes(p, below(p, PROGRAM_BUFFERS), true);
    if (from.size_bytes > to.size_bytes) from.size_bytes = to.size_bytes;
    to.size_bytes = from.size_bytes;
    if (overlap(&from, &to)) return;
    use(p, (const range[2]){from, to}, 2);
    CT_OK(fm_copy(p->commands, p->buffers[from.buffer], from.offset_bytes, p->buffers[to.buffer], to.offset_bytes,
                  from.size_bytes));
    memcpy(p->model[to.buffer] + to.offset_bytes, p->model[from.buffer] + from.offset_bytes, (size_t)from.size_bytes);
}

static void do_fill(program *p)
{
    uint32_t buffer = below(p, PROGRAM_BUFFERS);
    uint64_t offset = 4 * (uint64_t)below(p, (p->sizes[buffer] + 3) / 4);
    uint64_t rest = p->sizes[buffer] - offset;
    bool whole = rest < 4 || below(p, 4) == 0;
    uint64_t size = whole ? rest : 4 * (uint64_t)(1 + below(p, rest / 4));
    uint32_t value = (uint32_t)ct_random_next(&p->random);
    use(p, &(range){buffer, offset, size, true}, 1);
    CT_OK(fm_fill(p->commands, p->buffers[buffer], offset, whole ? FM_WHOLE_SIZE : size, value));
    for (uint64_t i = 0; i < size; i++) memcpy(p->model[buffer] + offset + i, (const uint8_t *)&value + i % 4, 1);
}

static void do_upload(program *p)
{
    range to = random_bytes(p, below(p, PROGRAM_BUFFERS), true);
    uint8_t *bytes = malloc((size_t)to.size_bytes);
    assert_non_null(bytes);
    for (uint64_t i = 0; i < to.size_bytes; i++) bytes[i] = (uint8_t)ct_random_next(&p->random);
    use(p, &to, 1);
    CT_OK(fm_upload(p->commands, p->buffers[to.buffer], to.offset_bytes, to.size_bytes, bytes));
    memcpy(p->model[to.buffer] + to.offset_bytes, bytes, (size_t)to.size_bytes);
    memset(bytes, CT_POISON, (size_t)to.size_bytes);
    free(bytes);
}

static void do_read(program *p)
{
    if (p->read_count == PROGRAM_READS) return;
    range from = random_bytes(p, below(p, PROGRAM_BUFFERS), false);
    expected_read *read = &p->reads[p->read_count++];
    *read = (expected_read){malloc((size_t)from.size_bytes), malloc((size_t)from.size_bytes), from.size_bytes};
    assert_true(read->got && read->want);
    memset(read->got, CT_POISON, (size_t)from.size_bytes);
    memcpy(read->want, p->model[from.buffer] + from.offset_bytes, (size_t)from.size_bytes);
    use(p, &from, 1);
    CT_OK(fm_read(p->commands, p->buffers[from.buffer], from.offset_bytes, from.size_bytes, read->got));
}

static void begin_list(program *p)
{
    p->untracked = p->options->untracked && below(p, 2) == 0;
    fm_commands_info info = {.flags = p->untracked ? FM_COMMANDS_UNTRACKED : 0};
    CT_OK(fm_commands_begin(p->fixture->device, &info, &p->commands));
    p->touched = 0;
    p->range_count = 0;
}

// Commits the open list behind all lists of other streams that touched what it touches.
static void commit_list(program *p)
{
    uint32_t own = below(p, p->options->streams);
    fm_point after[PROGRAM_STREAMS];
    uint32_t after_count = 0;
    for (uint32_t s = 0; s < p->options->streams; s++) {
        uint64_t last = 0;
        for (uint32_t b = 0; b < PROGRAM_BUFFERS; b++) {
            if ((p->touched >> b & 1) && p->last_use[b][s] > last) last = p->last_use[b][s];
        }
        if (last != 0 && s != own) after[after_count++] = (fm_point){p->streams[s], last};
    }
    fm_point point;
    fm_commit_info info = {.stream = p->streams[own], .after = after, .after_count = after_count};
    CT_OK(fm_commit(&p->commands, &info, &point));
    for (uint32_t b = 0; b < PROGRAM_BUFFERS; b++) {
        if (p->touched >> b & 1) p->last_use[b][own] = point.value;
    }
}

static void start(program *p)
{
    for (uint32_t b = 0; b < PROGRAM_BUFFERS; b++) {
        bool large = p->options->large && below(p, 2) == 0;
        p->sizes[b] = large ? 100000 + below(p, 300000) : 5 + below(p, 3000);
        p->buffers[b] = ct_buffer(p->fixture, p->sizes[b]);
        p->model[b] = calloc(1, (size_t)p->sizes[b]);
        assert_non_null(p->model[b]);
    }
    for (uint32_t s = 0; s < p->options->streams; s++)
        CT_OK(fm_stream_create(p->fixture->device, NULL, &p->streams[s]));
    begin_list(p);
}

static void run_commands(program *p)
{
    static void (*const commands[])(program *) = {do_dispatch, do_dispatch, do_dispatch, do_copy,
                                                  do_copy,     do_fill,     do_upload,   do_read};
    uint32_t count = 10 + below(p, 40);
    uint32_t split = 1 + below(p, 12); // a commit after about this many commands
    for (uint32_t i = 0; i < count; i++) {
        commands[below(p, sizeof commands / sizeof commands[0])](p);
        if (below(p, split) != 0) continue;
        commit_list(p);
        begin_list(p);
    }
    commit_list(p);
}

static bool matches(program *p, uint32_t *out_wrong)
{
    bool same = true;
    for (uint32_t s = 0; s < p->options->streams; s++) {
        fm_commands *commands = ct_begin(p->fixture);
        fm_point last = ct_commit(&commands, p->streams[s]);
        CT_OK(fm_point_wait(p->fixture->device, last, CT_TIMEOUT_NS));
    }
    for (uint32_t i = 0; i < p->read_count; i++) {
        if (memcmp(p->reads[i].got, p->reads[i].want, (size_t)p->reads[i].size_bytes) == 0) continue;
        same = false;
        *out_wrong = i;
    }
    for (uint32_t b = 0; b < PROGRAM_BUFFERS; b++) {
        uint8_t *bytes = malloc((size_t)p->sizes[b]);
        assert_non_null(bytes);
        ct_read(p->fixture, p->buffers[b], 0, p->sizes[b], bytes);
        if (memcmp(bytes, p->model[b], (size_t)p->sizes[b]) != 0) {
            same = false;
            *out_wrong = PROGRAM_READS + b;
        }
        free(bytes);
    }
    return same;
}

static void finish(program *p)
{
    for (uint32_t b = 0; b < PROGRAM_BUFFERS; b++) {
        CT_OK(fm_buffer_destroy(p->fixture->device, p->buffers[b]));
        free(p->model[b]);
    }
    for (uint32_t s = 0; s < p->options->streams; s++) CT_OK(fm_stream_destroy(p->fixture->device, p->streams[s]));
    for (uint32_t i = 0; i < p->read_count; i++) {
        free(p->reads[i].got);
        free(p->reads[i].want);
    }
}

void program_run_many(ct_fixture *fixture, const program_options *options, uint64_t first_seed, uint32_t count)
{
    const char *wanted = getenv("FERMATA_TEST_SEED");
    if (wanted) {
        first_seed = strtoull(wanted, NULL, 0);
        count = 1;
    }
    program_kernels kernels = program_create_kernels(fixture);
    program *p = malloc(sizeof *p);
    assert_non_null(p);
    for (uint64_t seed = first_seed; seed < first_seed + count; seed++) {
        *p = (program){.fixture = fixture, .kernels = &kernels, .options = options, .random = {seed}};
        uint32_t wrong = 0;
        start(p);
        run_commands(p);
        if (!matches(p, &wrong)) {
            fail_msg("the program of seed %" PRIu64 " differs from the model in %s %u", seed,
                     wrong < PROGRAM_READS ? "read-back" : "buffer", wrong % PROGRAM_READS);
        }
        finish(p);
    }
    free(p);
}
