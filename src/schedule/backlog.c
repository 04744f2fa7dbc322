// Backlog. See backlog.h.
// The leader's alone; `count` is an atomic because others look whether there is anything.
#include "schedule/backlog.h"

#include "schedule/cost.h"

// What a pass over the streams may take.
typedef enum list_class {
    SHORT_LISTS = 1,
    LONG_LISTS = 2,
    ANY_LISTS = 3,
} list_class;

void fmi_backlog_init(fmi_backlog *backlog)
{
    *backlog = (fmi_backlog){.batches_since_short = FMI_WARY_BATCHES};
}

static bool is_long(const fmi_list *list)
{
    return list->cost_ns >= FMI_LONG_NS;
}

static void add_to_count(fmi_backlog *backlog, uint32_t change)
{
    // Sequentially consistent: see fmi_engine_kick.
    atomic_store(&backlog->count, atomic_load_explicit(&backlog->count, memory_order_relaxed) + change);
}

// Puts a part of a transfer in front of what was pushed after its value had been taken.
static void insert(fmi_stream *stream, fmi_list *list)
{
    fmi_list **link = &stream->backlog_first;
    while (*link && (*link)->value < list->value) {
        link = &(*link)->next;
    }
    list->next = *link;
    *link = list;
}

static void add(fmi_backlog *backlog, fmi_list *list, uint32_t slowest_ns)
{
    fmi_stream *stream = list->stream;
    list->next = NULL;
    list->cost_ns = fmi_cost_of_list(list, slowest_ns, FMI_LONG_NS);
    __builtin_prefetch(list->first); // for the planner
    if (!stream) {
        *(backlog->fills_last ? &backlog->fills_last->next : &backlog->fills_first) = list;
        backlog->fills_last = list;
        return;
    }
    backlog->long_count += is_long(list);
    if (stream->backlog_last && list->in_turn && list->value < stream->backlog_last->value) {
        insert(stream, list);
        return;
    }
    if (stream->backlog_last) {
        stream->backlog_last->next = list;
        stream->backlog_last = list;
        return;
    }
    stream->backlog_first = stream->backlog_last = list;
    backlog->stream_count++;
    if (backlog->last_turn) { // its turn comes after everybody else's
        stream->next_turn = backlog->last_turn->next_turn;
        backlog->last_turn->next_turn = stream;
    } else {
        stream->next_turn = stream;
    }
    backlog->last_turn = stream;
}

void fmi_backlog_add(fmi_backlog *backlog, fmi_list *oldest, uint32_t slowest_ns)
{
    uint32_t lists = 0;
    while (oldest) {
        fmi_list *next = oldest->next;
        if (next && next->stream) {
            __builtin_prefetch(&next->stream->backlog_first, 1);
        }
        add(backlog, oldest, slowest_ns);
        lists++;
        oldest = next;
    }
    add_to_count(backlog, lists);
}

static void put(fmi_portion *portion, fmi_list *list)
{
    *(portion->last ? &portion->last->next : &portion->first) = list;
    portion->last = list;
    list->next = NULL;
    portion->longest_ns = list->cost_ns > portion->longest_ns ? list->cost_ns : portion->longest_ns;
    portion->lists++;
    portion->commands += list->command_count;
}

static bool has_room(const fmi_portion *portion, const fmi_list *list)
{
    return portion->lists == 0 || (portion->lists < FMI_BATCH_MOST_LISTS &&
                                   portion->commands + list->command_count <= FMI_BATCH_MOST_COMMANDS);
}

// Are the lists that it waits for complete, in a batch, or in this one already? What will not run waits for none, and
// on a lost device nobody waits for a point of the host.
static bool may_run(const fmi_list *list, bool lost)
{
    if (list->in_turn && list->first_value != list->stream->taken + 1) {
        return false; // a part of a transfer that comes before it is yet to be pushed
    }
    uint32_t count = list->after_count > 0 && fmi_stream_loses(list->stream, list->value) ? 0 : list->after_count;
    for (uint32_t i = 0; i < count; i++) {
        const fmi_after *after = &list->after[i];
        if (after->stream->taken < after->value &&
            atomic_load_explicit(&after->stream->completed, memory_order_acquire) < after->value &&
            !(lost && after->stream->is_host)) {
            return false;
        }
    }
    return true;
}

// Is value `value` of the stream under way on a queue for long lists?
static bool is_long_under_way(const fmi_stream *stream, uint64_t value)
{
    return stream->queue > 0 && atomic_load_explicit(&stream->completed, memory_order_acquire) < value;
}

// Where long lists have their own queues: does this one go there?
static bool goes_long(const fmi_list *list)
{
    bool waits_for_long = is_long_under_way(list->stream, list->stream->taken);
    for (uint32_t i = 0; i < list->after_count && !waits_for_long; i++) {
        waits_for_long = is_long_under_way(list->after[i].stream, list->after[i].value);
    }
    return waits_for_long || is_long(list);
}

static bool fits_pick(const fmi_list *list, list_class class, const fmi_pick *pick)
{
    if (!pick->split) {
        return class & (is_long(list) ? LONG_LISTS : SHORT_LISTS);
    }
    bool is_elsewhere = list->stream->queue != pick->queue && is_long_under_way(list->stream, list->stream->taken);
    return (class & (goes_long(list) ? LONG_LISTS : SHORT_LISTS)) && !is_elsewhere;
}

// A long batch delays whoever comes while it runs. Where short lists of others have come lately, it is kept to a list a
// stream.
static bool is_wary(const fmi_backlog *backlog)
{
    return backlog->batches_since_short < FMI_WARY_BATCHES && backlog->last_short != backlog->last_long;
}

static void take_first(fmi_backlog *backlog, fmi_stream *stream, uint32_t queue, fmi_portion *portion)
{
    fmi_list *list = stream->backlog_first;
    stream->backlog_first = list->next;
    if (!stream->backlog_first) {
        stream->backlog_last = NULL;
    }
    stream->taken = list->value;
    stream->queue = queue;
    stream->portion_ns += list->cost_ns;
    if (is_long(list)) {
        backlog->long_count--;
        backlog->last_long = stream;
        portion->is_long = true;
    } else {
        backlog->last_short = stream;
        portion->has_short = true;
    }
    put(portion, list);
}

// One stream's turn. Returns how many lists it took; `*full` is set when the batch has no room for its next one.
static uint32_t take_turn(fmi_backlog *backlog, fmi_stream *stream, list_class class, const fmi_pick *pick,
                          fmi_portion *portion, bool *full)
{
    uint64_t most_ns = !pick->split && is_wary(backlog) && class == LONG_LISTS ? 0 : FMI_BATCH_NS;
    uint32_t lists = 0, commands = 0;
    for (fmi_list *list = stream->backlog_first; list && commands < FMI_TURN_COMMANDS; list = stream->backlog_first) {
        bool fits_time = stream->portion_ns == 0 || stream->portion_ns + list->cost_ns <= most_ns;
        if (!fits_pick(list, class, pick) || !fits_time || !may_run(list, pick->lost)) {
            break;
        }
        if (!has_room(portion, list)) {
            *full = true;
            break;
        }
        commands += list->command_count ? list->command_count : 1;
        take_first(backlog, stream, pick->queue, portion);
        lists++;
    }
    return lists;
}

// Gives each stream its turn, round after round, until the batch is full or nobody has anything for it. A stream that
// finds the batch full is the first of the next one.
static uint32_t take_turns(fmi_backlog *backlog, list_class class, const fmi_pick *pick, fmi_portion *portion)
{
    uint32_t lists = 0, idle = 0;
    bool full = false;
    fmi_stream *stream = backlog->last_turn;
    for (uint32_t i = 0; i < backlog->stream_count; i++, stream = stream->next_turn) {
        stream->portion_ns = 0;
    }
    while (backlog->last_turn && idle < backlog->stream_count && !full) {
        stream = backlog->last_turn->next_turn;
        uint32_t taken = take_turn(backlog, stream, class, pick, portion, &full);
        lists += taken;
        idle = taken ? 0 : idle + 1;
        if (!stream->backlog_first) {
            backlog->stream_count--;
            backlog->last_turn->next_turn = stream->next_turn;
            backlog->last_turn = stream->next_turn == stream ? NULL : backlog->last_turn;
        } else if (!full) {
            backlog->last_turn = stream;
        }
    }
    return lists;
}

static void take_fills(fmi_backlog *backlog, fmi_portion *portion)
{
    while (backlog->fills_first && has_room(portion, backlog->fills_first)) {
        fmi_list *list = backlog->fills_first;
        backlog->fills_first = list->next;
        if (!backlog->fills_first) {
            backlog->fills_last = NULL;
        }
        put(portion, list);
    }
}

// Which lists the next batch of the only queue takes: where short ones and long ones wait, in turn, so that neither
// starves the other.
static list_class choose_class(const fmi_backlog *backlog, bool long_in_flight)
{
    if (backlog->long_count == 0 || (long_in_flight && is_wary(backlog))) {
        return SHORT_LISTS;
    }
    if (backlog->stream_count == 1 && !is_wary(backlog)) {
        return ANY_LISTS; // nobody else is there to be delayed
    }
    return backlog->long_is_due ? LONG_LISTS : SHORT_LISTS;
}

static uint32_t take_either(fmi_backlog *backlog, const fmi_pick *pick, fmi_portion *out)
{
    list_class class = choose_class(backlog, pick->long_in_flight);
    uint32_t lists = take_turns(backlog, class, pick, out);
    if (lists == 0 && class != ANY_LISTS && backlog->long_count > 0 && !(pick->long_in_flight && is_wary(backlog))) {
        class = LONG_LISTS + SHORT_LISTS - class; // none of that class may run: the other
        lists = take_turns(backlog, class, pick, out);
    }
    backlog->long_is_due = lists == 0 ? backlog->long_is_due : class == SHORT_LISTS && backlog->long_count > 0;
    return lists;
}

void fmi_backlog_take(fmi_backlog *backlog, const fmi_pick *pick, fmi_portion *out)
{
    *out = (fmi_portion){0};
    take_fills(backlog, out);
    uint32_t lists = pick->split ? take_turns(backlog, pick->queue == 0 ? SHORT_LISTS : LONG_LISTS, pick, out)
                                 : take_either(backlog, pick, out);
    if (out->lists > 0) {
        add_to_count(backlog, -out->lists);
    }
    if (lists == 0) {
        return;
    }
    if (out->has_short) {
        backlog->batches_since_short = 0;
    } else if (backlog->batches_since_short < FMI_WARY_BATCHES) {
        backlog->batches_since_short++;
    }
}
