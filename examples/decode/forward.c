// One token through the model. See forward.h.
// Temporaries live as short as they can: a layer's are destroyed as soon as the layer is recorded, a token's as soon as
// its list is committed. Their memory stays until the device is done; which sequence gets it next is Fermata's
// business.
#include "forward.h"

// Returns from the calling function with the first status that is not FM_OK.
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        fm_status try_ = (call);                                                                                       \
        if (try_ != FM_OK) {                                                                                           \
            return try_;                                                                                               \
        }                                                                                                              \
    } while (0)

// The buffers of a dispatch, in the order of the kernel's parameters.
#define BUFFERS(...)                                                                                                   \
    (const fm_buffer[]){__VA_ARGS__}, (uint32_t)(sizeof((fm_buffer[]){__VA_ARGS__}) / sizeof(fm_buffer))

// One token on its way: what the functions here pass around.
typedef struct step {
    const network *net;    // borrowed
    const kv_cache *cache; // borrowed
    fm_commands *commands; // the list being recorded
    late_buffers *late;    // borrowed: where temporaries go that are not destroyed yet
    uint32_t token, position;
    fm_buffer x;      // [dim]: the residual stream
    fm_buffer logits; // [vocab_size]; null unless read
} step;

// One layer's temporaries.
typedef struct scratch {
    fm_buffer query;  // [dim]
    fm_buffer scores; // [head_count][position + 1]
    fm_buffer mixed;  // [dim]: what the heads bring back
    fm_buffer hidden; // [hidden_dim]
    fm_buffer key;    // [kv_dim], before it is quantised; null unless it is
    fm_buffer value;  // [kv_dim], before it is quantised; null unless it is
} scratch;

// What a workgroup of the library's attention covers: positions (of scores), parts of heads (of mix) or heads.
enum { ATTENTION_COVERS = 32, ATTENTION_COVERS_PAIRS = 8 }; // the latter of a mix of pairs

enum { LAYER_TEMPORARIES = 6, TOKEN_TEMPORARIES = 2 };

uint32_t forward_most_temporaries(const model *m)
{
    return m->layer_count * LAYER_TEMPORARIES + TOKEN_TEMPORARIES;
}

void forward_destroy_late(const network *net, late_buffers *late)
{
    while (late->count > 0) {
        fm_buffer_destroy(net->device, late->buffers[--late->count]);
    }
}

// The end of a temporary.
static void drop(const step *s, fm_buffer buffer)
{
    if (s->late->count < s->late->capacity) {
        s->late->buffers[s->late->count++] = buffer;
    } else {
        fm_buffer_destroy(s->net->device, buffer);
    }
}

static uint32_t divide_up(uint32_t count, uint32_t by)
{
    return count / by + (count % by != 0);
}

static fm_status create_floats(const step *s, uint64_t count, fm_buffer *out)
{
    fm_buffer_info info = {.size_bytes = count * sizeof(float), .flags = FM_BUFFER_UNINITIALIZED};
    return fm_buffer_create(s->net->device, &info, out);
}

// Dispatches `groups_x` times `groups_y` workgroups of a kernel.
static fm_status run(const step *s, kernel_id kernel, uint32_t groups_x, uint32_t groups_y, const fm_buffer *buffers,
                     uint32_t count, const void *constants, uint32_t constants_size_bytes)
{
    fm_binding bindings[FM_MAX_BINDINGS] = {0};
    for (uint32_t i = 0; i < count; i++) {
        bindings[i].buffer = buffers[i];
    }
    fm_dispatch_info info = {
        .kernel = s->net->kernels.handles[kernel],
        .group_count = {groups_x, groups_y, 1},
        .bindings = bindings,
        .binding_count = count,
        .constants = constants,
        .constants_size_bytes = constants_size_bytes,
    };
    return fm_dispatch(s->commands, &info);
}

static fm_status record_qkv(const step *s, const scratch *t, uint32_t layer)
{
    const model *m = s->net->model;
    const weights *w = &s->net->weights;
    const layer_cache *c = &s->cache->layers[layer];
    bool quantised = s->net->quantised;
    const qkv_constants constants = {m->dim, m->kv_dim, m->head_size, s->position,
                                     quantised ? 0 : s->position * m->kv_dim};
    TRY(run(s, KERNEL_QKV, kernels_group_count(&s->net->kernels, m->dim + 2 * m->kv_dim), 1,
            BUFFERS(s->x, w->layers[layer].attention_norm, w->layers[layer].qkv, w->cosines, w->sines, t->query,
                    quantised ? t->key : c->keys, quantised ? t->value : c->values),
            &constants, sizeof constants));
    if (quantised) {
        uint32_t groups = divide_up(m->kv_head_count, ATTENTION_COVERS);
        const quantise_constants q = {m->head_size, m->kv_head_count, s->position};
        TRY(run(s, KERNEL_QUANTISE, groups, 1, BUFFERS(t->key, c->keys, c->key_scales), &q, sizeof q));
        TRY(run(s, KERNEL_QUANTISE, groups, 1, BUFFERS(t->value, c->values, c->value_scales), &q, sizeof q));
    }
    return FM_OK;
}

static fm_status record_attention(const step *s, const scratch *t, uint32_t layer)
{
    const model *m = s->net->model;
    const layer_cache *c = &s->cache->layers[layer];
    const attention_constants constants = {m->head_size, m->head_count, m->kv_head_count, s->position + 1};
    uint32_t score_groups = divide_up(constants.count, ATTENTION_COVERS);
    bool pairs = s->net->kernels.tiling.pairs && !s->net->quantised;
    uint32_t mix_items = m->head_count * divide_up(m->head_size, pairs ? 8 : 4);
    uint32_t mix_groups = divide_up(mix_items, pairs ? ATTENTION_COVERS_PAIRS : ATTENTION_COVERS);
    if (s->net->quantised) {
        TRY(run(s, KERNEL_SCORES_Q8, score_groups, m->head_count, BUFFERS(t->query, c->keys, c->key_scales, t->scores),
                &constants, sizeof constants));
        return run(s, KERNEL_MIX_Q8, mix_groups, 1, BUFFERS(t->scores, c->values, c->value_scales, t->mixed),
                   &constants, sizeof constants);
    }
    TRY(run(s, KERNEL_SCORES, score_groups, m->head_count, BUFFERS(t->query, c->keys, t->scores), &constants,
            sizeof constants));
    return run(s, KERNEL_MIX, mix_groups, 1, BUFFERS(t->scores, c->values, t->mixed), &constants, sizeof constants);
}

// x += weight · vector
static fm_status record_residual(const step *s, fm_buffer vector, fm_buffer weight, uint32_t columns)
{
    const matrix_constants constants = {s->net->model->dim, columns};
    return run(s, KERNEL_RESIDUAL, kernels_group_count(&s->net->kernels, constants.rows), 1,
               BUFFERS(vector, weight, s->x), &constants, sizeof constants);
}

static fm_status create_scratch(const step *s, scratch *t)
{
    const model *m = s->net->model;
    TRY(create_floats(s, m->dim, &t->query));
    TRY(create_floats(s, (uint64_t)m->head_count * (s->position + 1), &t->scores));
    TRY(create_floats(s, m->dim, &t->mixed));
    TRY(create_floats(s, m->hidden_dim, &t->hidden));
    if (s->net->quantised) {
        TRY(create_floats(s, m->kv_dim, &t->key));
        TRY(create_floats(s, m->kv_dim, &t->value));
    }
    return FM_OK;
}

// Legal although the list that uses them is not even committed: it holds what it binds.
static void destroy_scratch(const step *s, const scratch *t)
{
    const fm_buffer buffers[LAYER_TEMPORARIES] = {t->query, t->scores, t->mixed, t->hidden, t->key, t->value};
    for (size_t i = 0; i < LAYER_TEMPORARIES; i++) {
        drop(s, buffers[i]);
    }
}

static fm_status record_layer_with(const step *s, const scratch *t, uint32_t layer)
{
    const model *m = s->net->model;
    const layer_weights *w = &s->net->weights.layers[layer];
    const matrix_constants constants = {2 * m->hidden_dim, m->dim};
    TRY(record_qkv(s, t, layer));
    TRY(record_attention(s, t, layer));
    TRY(record_residual(s, t->mixed, w->wo, m->dim));
    TRY(run(s, KERNEL_GATE, kernels_group_count(&s->net->kernels, constants.rows), 1,
            BUFFERS(s->x, w->ffn_norm, w->gate, t->hidden), &constants, sizeof constants));
    return record_residual(s, t->hidden, w->w2, m->hidden_dim);
}

static fm_status record_layer(const step *s, uint32_t layer)
{
    scratch t = {0};
    fm_status status = create_scratch(s, &t);
    if (status == FM_OK) {
        status = record_layer_with(s, &t, layer);
    }
    destroy_scratch(s, &t);
    return status;
}

static fm_status record_token(step *s, float *logits)
{
    const model *m = s->net->model;
    const weights *w = &s->net->weights;
    TRY(create_floats(s, m->dim, &s->x));
    const embed_constants embed = {m->dim, s->token};
    TRY(run(s, KERNEL_EMBED, divide_up(m->dim, s->net->kernels.tiling.group_size), 1, BUFFERS(w->embedding, s->x),
            &embed, sizeof embed));
    for (uint32_t i = 0; i < m->layer_count; i++) {
        TRY(record_layer(s, i));
    }
    if (!logits) {
        return FM_OK;
    }
    const matrix_constants classify = {m->vocab_size, m->dim};
    TRY(create_floats(s, m->vocab_size, &s->logits));
    TRY(run(s, KERNEL_LOGITS, kernels_group_count(&s->net->kernels, m->vocab_size), 1,
            BUFFERS(s->x, w->final_norm, w->classifier, s->logits), &classify, sizeof classify));
    return fm_read(s->commands, s->logits, 0, m->vocab_size * sizeof(float), logits);
}

fm_status forward_commit(const network *net, const kv_cache *cache, fm_stream stream, uint32_t token, uint32_t position,
                         float *logits, late_buffers *late, fm_point *out_point)
{
    step s = {.net = net, .cache = cache, .late = late, .token = token, .position = position};
    TRY(fm_commands_begin(net->device, &(fm_commands_info){.label = "token"}, &s.commands));
    fm_status status = record_token(&s, logits);
    if (status == FM_OK) {
        status = fm_commit(&s.commands, &(fm_commit_info){.stream = stream}, out_point);
    }
    drop(&s, s.x); // the device has hardly begun
    drop(&s, s.logits);
    fm_commands_cancel(&s.commands); // only where it could not be committed
    return status;
}
