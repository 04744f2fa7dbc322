// Random explorer: a seed makes a trace of calls by several logical clients and of device steps, in any legal order, on the manual
// device; a plain model of memory says what every read must give. A failure prints its seed and the trace shrunk to what is needed.
// `explore [--seeds N] [--first SEED] [--ablate N] [--seconds S]`. Exit status 1: a schedule failed.
#include <fermata/testing.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BUFFERS = 6, // handles that a trace juggles
    STREAMS = 3,
    LISTS = 3, // recorded at once
    WORDS = 8, // of each buffer
    OPS = 60,
    POINTS = 200, // more than commits in a trace
    READS = 200,
    PER_DEVICE = 64, // schedules before the device is opened anew
};

typedef enum op_kind {
    OP_CREATE,
    OP_DESTROY,
    OP_FILL,
    OP_COPY,
    OP_TWICE,
    OP_UPLOAD,
    OP_READ,
    OP_BARRIER,
    OP_COMMIT,
    OP_CANCEL,
    OP_POLL,
    OP_WAIT,
    OP_READ_NOW,
    OP_WRITE_NOW,
    OP_STEP,
    OP_STEP_MANY,
    OP_ORDER,
    OP_KERNEL,
    OP_KINDS
} op_kind;

static const char *const op_names[OP_KINDS] = {
    "create", "destroy", "fill", "copy",     "twice",     "upload", "read",      "barrier", "commit",
    "cancel", "poll",    "wait", "read now", "write now", "step",   "step many", "order",   "kernel",
};
static const uint8_t op_weights[OP_KINDS] = {6, 5, 5, 5, 10, 4, 8, 1, 12, 1, 6, 2, 3, 2, 14, 3, 2, 2};

typedef struct op {
    uint8_t kind, list, a, b, stream;
    uint32_t value;
} op;

// What a recorded command does to the model, applied when its list is committed.
typedef struct effect {
    op_kind kind;
    int from, to; // buffers by their serial number
    uint32_t value;
    uint32_t *destination; // of a read
} effect;

typedef struct model_buffer {
    fm_buffer handle;
    int serial; // -1: none here
} model_buffer;

typedef struct pending_read {
    uint32_t destination[WORDS];
    uint32_t expected[WORDS];
    fm_point point;
    bool committed;
} pending_read;

typedef struct world {
    fm_device *device;
    fm_kernel twice;
    fm_stream streams[STREAMS];
    model_buffer buffers[BUFFERS];
    uint32_t contents[OPS + BUFFERS][WORDS]; // by serial; outlives the handle
    int last_stream[OPS + BUFFERS];          // the stream that last used it
    fm_point last_point[STREAMS];
    int serials;
    fm_commands *lists[LISTS];
    effect effects[LISTS][OPS];
    int effect_count[LISTS];
    pending_read reads[READS];
    int read_count;
    fm_point points[POINTS];
    int point_count;
    char failure[256];
} world;

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static fm_status run_twice(const fm_host_call *call)
{
    const uint32_t *x = call->bindings[0];
    uint32_t *y = call->bindings[1];
    for (int i = 0; i < WORDS; i++) {
        y[i] = 2 * x[i] + 1 + y[i];
    }
    return FM_OK;
}

static bool fails(world *w, fm_status status, const char *what)
{
    if (status != FM_OK && !w->failure[0]) {
        snprintf(w->failure, sizeof w->failure, "%s: %s: %.150s", what, fm_status_name(status), fm_last_error());
    }
    return status != FM_OK;
}

static void make_kernel(world *w)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_U32, FM_ACCESS_READ},
                                             {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    fails(w,
          fm_kernel_create(w->device,
                           &(fm_kernel_info){.name = "twice",
                                             .language = FM_KERNEL_HOST_FUNCTION,
                                             .params = params,
                                             .param_count = 2,
                                             .host_function = run_twice},
                           &w->twice),
          "kernel");
}

static void create(world *w, int slot)
{
    model_buffer *b = &w->buffers[slot];
    if (b->serial >= 0 || w->serials >= OPS + BUFFERS) {
        return;
    }
    if (!fails(w, fm_buffer_create(w->device, &(fm_buffer_info){.size_bytes = WORDS * 4}, &b->handle), "create")) {
        b->serial = w->serials++;
        memset(w->contents[b->serial], 0, sizeof w->contents[0]); // new memory reads as zero
        w->last_stream[b->serial] = -1;
    }
}

static void destroy(world *w, int slot)
{
    if (w->buffers[slot].serial >= 0) {
        fails(w, fm_buffer_destroy(w->device, w->buffers[slot].handle), "destroy");
        w->buffers[slot].serial = -1;
    }
}

static fm_commands *list_of(world *w, int l)
{
    if (!w->lists[l]) {
        fails(w, fm_commands_begin(w->device, NULL, &w->lists[l]), "begin");
        w->effect_count[l] = 0;
    }
    return w->lists[l];
}

// The model of one effect: what memory holds afterwards.
static void apply(world *w, const effect *e, fm_point point)
{
    uint32_t *to = w->contents[e->to];
    for (int i = 0; i < WORDS; i++) {
        switch (e->kind) {
        case OP_FILL: to[i] = e->value; break;
        case OP_COPY: to[i] = w->contents[e->from][i]; break;
        case OP_TWICE: to[i] = 2 * w->contents[e->from][i] + 1 + to[i]; break;
        case OP_UPLOAD: to[i] = e->value + (uint32_t)i; break;
        default: break;
        }
    }
    if (e->kind == OP_READ) {
        for (int r = 0; r < w->read_count; r++) {
            if (w->reads[r].destination == e->destination) {
                memcpy(w->reads[r].expected, to, sizeof w->reads[r].expected);
                w->reads[r].point = point;
                w->reads[r].committed = true;
            }
        }
    }
}

static void record(world *w, const op *o)
{
    const model_buffer *a = &w->buffers[o->a % BUFFERS], *b = &w->buffers[o->b % BUFFERS];
    fm_commands *commands = list_of(w, o->list);
    if (b->serial < 0 || w->effect_count[o->list] >= OPS ||
        ((o->kind == OP_COPY || o->kind == OP_TWICE) && (a->serial < 0 || a == b))) {
        return;
    }
    effect e = {(op_kind)o->kind, a->serial, b->serial, o->value, NULL};
    uint32_t bytes[WORDS];
    fm_status status = FM_OK;
    if (o->kind == OP_FILL) {
        status = fm_fill(commands, b->handle, 0, FM_WHOLE_SIZE, o->value);
    } else if (o->kind == OP_COPY) {
        status = fm_copy(commands, a->handle, 0, b->handle, 0, WORDS * 4);
    } else if (o->kind == OP_TWICE) {
        fm_binding bindings[] = {{.buffer = a->handle}, {.buffer = b->handle}};
        status =
            fm_dispatch(commands,
                        &(fm_dispatch_info){
                            .kernel = w->twice, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2});
    } else if (o->kind == OP_UPLOAD) {
        for (uint32_t i = 0; i < WORDS; i++) {
            bytes[i] = o->value + i;
        }
        status = fm_upload(commands, b->handle, 0, sizeof bytes, bytes);
        memset(bytes, 0xEE, sizeof bytes); // captured at the call (LEARNED-16)
    } else if (w->read_count < READS) {
        pending_read *r = &w->reads[w->read_count++];
        r->committed = false;
        memset(r->destination, 0xA5, sizeof r->destination);
        e.destination = r->destination;
        status = fm_read(commands, b->handle, 0, sizeof r->destination, r->destination);
    }
    if (!fails(w, status, op_names[o->kind])) {
        w->effects[o->list][w->effect_count[o->list]++] = e;
    }
}

static void commit(world *w, int l, int stream)
{
    if (!w->lists[l] || w->point_count >= POINTS) {
        return;
    }
    // The contract orders streams by points alone, so the list names every other stream that touched its buffers.
    fm_point after[STREAMS];
    uint32_t after_count = 0;
    for (int s = 0; s < STREAMS; s++) {
        bool needed = false;
        for (int i = 0; i < w->effect_count[l]; i++) {
            const effect *e = &w->effects[l][i];
            needed = needed || w->last_stream[e->to] == s || (e->from >= 0 && w->last_stream[e->from] == s);
        }
        if (needed && s != stream && w->last_point[s].value) {
            after[after_count++] = w->last_point[s];
        }
    }
    fm_point point;
    fm_status status =
        fm_commit(&w->lists[l],
                  &(fm_commit_info){
                      .stream = w->streams[stream], .after = after, .after_count = after_count, .no_wait = 1},
                  &point);
    if (status == FM_WOULD_BLOCK) {
        return; // the list stays ours (RETIRE-4)
    }
    if (fails(w, status, "commit")) {
        return;
    }
    w->last_point[stream] = point;
    w->points[w->point_count++] = point;
    for (int i = 0; i < w->effect_count[l]; i++) {
        const effect *e = &w->effects[l][i];
        apply(w, e, point);
        w->last_stream[e->to] = stream;
        if (e->from >= 0) {
            w->last_stream[e->from] = stream;
        }
    }
}

// A point that answers "complete" must have its bytes, and stay complete.
static void check_reads(world *w)
{
    for (int r = 0; r < w->read_count && !w->failure[0]; r++) {
        pending_read *p = &w->reads[r];
        if (!p->committed) {
            continue;
        }
        fm_status status = fm_point_poll(w->device, p->point);
        if (status == FM_NOT_READY) {
            continue;
        }
        if (!fails(w, status, "poll") && memcmp(p->destination, p->expected, sizeof p->expected) != 0) {
            snprintf(w->failure, sizeof w->failure, "read %d of value %llu: word 0 is %#x, must be %#x", r,
                     (unsigned long long)p->point.value, p->destination[0], p->expected[0]);
        }
    }
}

static void read_or_write_now(world *w, const op *o)
{
    const model_buffer *b = &w->buffers[o->b % BUFFERS];
    if (b->serial < 0) {
        return;
    }
    int other = w->last_stream[b->serial];
    fm_stream stream = w->streams[other >= 0 ? other : o->stream]; // its own stream: the order is the stream's
    uint32_t bytes[WORDS];
    fails(w, fm_testing_step_in_waits(w->device, 1), "step in waits");
    if (o->kind == OP_READ_NOW) {
        memset(bytes, 0xA5, sizeof bytes);
        if (!fails(w, fm_buffer_read(w->device, stream, b->handle, 0, sizeof bytes, bytes, 1000000000), "read now") &&
            memcmp(bytes, w->contents[b->serial], sizeof bytes) != 0 && !w->failure[0]) {
            snprintf(w->failure, sizeof w->failure, "read now: word 0 is %#x, must be %#x", bytes[0],
                     w->contents[b->serial][0]);
        }
    } else {
        for (uint32_t i = 0; i < WORDS; i++) {
            bytes[i] = w->contents[b->serial][i] = o->value ^ i;
        }
        fails(w, fm_buffer_write(w->device, stream, b->handle, 0, sizeof bytes, bytes, 1000000000), "write now");
    }
    fails(w, fm_testing_step_in_waits(w->device, 0), "step in waits");
}

static void perform(world *w, const op *o)
{
    switch ((op_kind)o->kind) {
    case OP_CREATE: create(w, o->a % BUFFERS); break;
    case OP_DESTROY: destroy(w, o->a % BUFFERS); break;
    case OP_FILL:
    case OP_COPY:
    case OP_TWICE:
    case OP_UPLOAD:
    case OP_READ: record(w, o); break;
    case OP_BARRIER: fails(w, fm_barrier(list_of(w, o->list)), "barrier"); break;
    case OP_COMMIT: commit(w, o->list, o->stream); break;
    case OP_CANCEL: fails(w, fm_commands_cancel(&w->lists[o->list]), "cancel"); break;
    case OP_POLL: check_reads(w); break;
    case OP_WAIT:
        if (w->point_count > 0) {
            fails(w, fm_testing_step_in_waits(w->device, 1), "step in waits");
            fails(w, fm_point_wait(w->device, w->points[o->value % (uint32_t)w->point_count], 1000000000), "wait");
            fails(w, fm_testing_step_in_waits(w->device, 0), "step in waits");
        }
        break;
    case OP_READ_NOW:
    case OP_WRITE_NOW: read_or_write_now(w, o); break;
    case OP_STEP: fails(w, fm_testing_step(w->device, 1, NULL), "step"); break;
    case OP_STEP_MANY: fails(w, fm_testing_step(w->device, o->value % 10, NULL), "step"); break;
    case OP_ORDER: fails(w, fm_testing_set_order(w->device, o->value % 5), "order"); break;
    case OP_KERNEL: // the kernel that lists in flight use dies, a new one takes its place
        fails(w, fm_kernel_destroy(w->device, w->twice), "destroy kernel");
        make_kernel(w);
        break;
    default: break;
    }
}

// Ends a trace: everything finishes, every read is right, nothing is held and no memory is left over.
static void settle(world *w)
{
    for (int l = 0; l < LISTS; l++) {
        fails(w, fm_commands_cancel(&w->lists[l]), "cancel");
    }
    fails(w, fm_testing_step_in_waits(w->device, 1), "step in waits");
    for (int s = 0; s < STREAMS; s++) {
        fails(w, fm_point_wait(w->device, w->last_point[s], 1000000000), "wait at the end");
    }
    fails(w, fm_testing_step_in_waits(w->device, 0), "step in waits");
    check_reads(w);
    for (int s = 0; s < STREAMS; s++) {
        fails(w, fm_stream_destroy(w->device, w->streams[s]), "destroy stream");
    }
    for (int b = 0; b < BUFFERS; b++) {
        destroy(w, b);
    }
    uint64_t violations = 0;
    fm_device_stats stats;
    fails(w, fm_testing_violations(w->device, &violations), "violations");
    fails(w, fm_device_trim(w->device, NULL), "trim"); // what idle recorders keep for their next list
    fails(w, fm_device_get_stats(w->device, &stats), "stats");
    if (!w->failure[0] && (violations || stats.bytes_in_use || stats.lists_in_flight)) {
        snprintf(w->failure, sizeof w->failure,
                 "%llu commands touched what nothing held, %llu bytes and %llu lists are left over",
                 (unsigned long long)violations, (unsigned long long)stats.bytes_in_use,
                 (unsigned long long)stats.lists_in_flight);
    }
}

// Runs a trace on an open device. Returns false, with the reason in w->failure, when something was wrong.
static bool run(world *w, fm_device *device, const op *ops, int count)
{
    memset(w, 0, sizeof *w);
    w->device = device;
    for (int i = 0; i < BUFFERS; i++) {
        w->buffers[i].serial = -1;
    }
    for (int s = 0; s < STREAMS; s++) {
        fails(w, fm_stream_create(device, NULL, &w->streams[s]), "stream");
    }
    make_kernel(w);
    for (int i = 0; i < count && !w->failure[0]; i++) {
        perform(w, &ops[i]);
    }
    settle(w);
    fails(w, fm_kernel_destroy(device, w->twice), "destroy kernel");
    return w->failure[0] == 0;
}

static fm_device *open_device(int ablate)
{
    fm_device *device;
    fm_device_info info = {.batches_in_flight = 2, .lists_in_flight = 5, .block_size_bytes = 65536};
    if (fm_device_open("manual", &info, &device) != FM_OK ||
        (ablate >= 0 && fm_testing_ablate(device, (fm_ablation)ablate, 1) != FM_OK)) {
        fprintf(stderr, "explore: %s\n", fm_last_error());
        exit(2);
    }
    return device;
}

static void close_device(fm_device *device)
{
    fm_testing_step_in_waits(device, 1);
    if (fm_device_close(&device, 1000000000) != FM_OK) {
        fprintf(stderr, "explore: %s\n", fm_last_error());
        exit(1);
    }
}

static void make_trace(uint64_t seed, op *ops)
{
    uint64_t r = seed * 0x9E3779B97F4A7C15u + 1;
    uint32_t total = 0;
    for (int k = 0; k < OP_KINDS; k++) {
        total += op_weights[k];
    }
    for (int i = 0; i < OPS; i++) {
        uint32_t pick = next_random(&r) % total, kind = 0;
        while (pick >= op_weights[kind]) {
            pick -= op_weights[kind++];
        }
        ops[i] = (op){(uint8_t)kind,
                      (uint8_t)(next_random(&r) % LISTS),
                      (uint8_t)(next_random(&r) % BUFFERS),
                      (uint8_t)(next_random(&r) % BUFFERS),
                      (uint8_t)(next_random(&r) % STREAMS),
                      next_random(&r)};
    }
}

// Drops operations as long as the rest still fails.
static int shrink(op *ops, int count, int ablate)
{
    static world w;
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (int i = count - 1; i >= 0; i--) {
            op removed = ops[i];
            memmove(&ops[i], &ops[i + 1], (size_t)(count - i - 1) * sizeof *ops);
            fm_device *device = open_device(ablate);
            bool passed = run(&w, device, ops, count - 1);
            close_device(device);
            if (passed) {
                memmove(&ops[i + 1], &ops[i], (size_t)(count - i - 1) * sizeof *ops);
                ops[i] = removed;
            } else {
                count--;
                smaller = true;
            }
        }
    }
    return count;
}

static void report(uint64_t seed, op *ops, const char *failure, int ablate)
{
    printf("seed %llu fails: %s\n", (unsigned long long)seed, failure);
    int count = shrink(ops, OPS, ablate);
    for (int i = 0; i < count; i++) {
        printf("  %2d %-9s list %u a %u b %u stream %u value %u\n", i, op_names[ops[i].kind], ops[i].list, ops[i].a,
               ops[i].b, ops[i].stream, ops[i].value);
    }
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end) {
        fprintf(stderr, "explore: '%s' is not a whole number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static world w;
    uint64_t seeds = 20000, first = 1, seconds = 0;
    int ablate = -1;
    for (int i = 1; i < argc; i += 2) {
        uint64_t value = i + 1 < argc ? number(argv[i + 1]) : 0;
        if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            seeds = value;
        } else if (i + 1 < argc && strcmp(argv[i], "--first") == 0) {
            first = value;
        } else if (i + 1 < argc && strcmp(argv[i], "--ablate") == 0) {
            ablate = (int)value;
        } else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
            seconds = value;
        } else {
            fprintf(stderr, "usage: explore [--seeds N] [--first SEED] [--ablate GUARD] [--seconds S]\n");
            return 2;
        }
    }
    time_t begin = time(NULL);
    fm_device *device = NULL;
    uint64_t done = 0;
    for (; done < seeds && (seconds == 0 || (uint64_t)(time(NULL) - begin) < seconds); done++) {
        op ops[OPS];
        make_trace(first + done, ops);
        if (done % PER_DEVICE == 0) {
            if (device) {
                close_device(device);
            }
            device = open_device(ablate);
        }
        if (!run(&w, device, ops, OPS)) {
            report(first + done, ops, w.failure, ablate);
            return 1;
        }
    }
    close_device(device);
    printf("%llu schedules from seed %llu: all right\n", (unsigned long long)done, (unsigned long long)first);
    return 0;
}
