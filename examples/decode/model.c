// Checkpoint reading and checking. See model.h.
// A header is hostile until proven otherwise: all sizes are computed in 64 bits with every overflow looked for.
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 28 };

// dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len, in the order of the file.
typedef struct header {
    int32_t dim, hidden_dim, layers, heads, kv_heads, vocab_size, seq_len;
} header;

static bool check_header(const header *h, const char *path, failure *f)
{
    const struct {
        const char *name;
        int32_t value;
    } fields[] = {{"dim", h->dim},       {"hidden_dim", h->hidden_dim}, {"n_layers", h->layers},
                  {"n_heads", h->heads}, {"n_kv_heads", h->kv_heads},   {"seq_len", h->seq_len}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].value <= 0) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' is no llama2.c checkpoint: %s is %d", path,
                               fields[i].name, fields[i].value);
        }
    }
    if (h->vocab_size == 0 || h->vocab_size == INT32_MIN) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' is no llama2.c checkpoint: vocab_size is %d", path,
                           h->vocab_size);
    }
    if (h->dim % h->heads != 0 || (h->dim / h->heads) % 2 != 0) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "'%s' is no llama2.c checkpoint: dim %d does not divide into %d heads of even size", path,
                           h->dim, h->heads);
    }
    if (h->heads % h->kv_heads != 0) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "'%s' is no llama2.c checkpoint: %d heads cannot share %d key/value heads", path, h->heads,
                           h->kv_heads);
    }
    return true;
}

static void take_shape(model *m, const header *h)
{
    m->dim = (uint32_t)h->dim;
    m->hidden_dim = (uint32_t)h->hidden_dim;
    m->layer_count = (uint32_t)h->layers;
    m->head_count = (uint32_t)h->heads;
    m->kv_head_count = (uint32_t)h->kv_heads;
    m->vocab_size = (uint32_t)(h->vocab_size < 0 ? -h->vocab_size : h->vocab_size);
    m->seq_len = (uint32_t)h->seq_len;
    m->head_size = m->dim / m->head_count;
    m->kv_dim = m->kv_head_count * m->head_size;
}

// Points the tensors into the file and stores the file's right size; false if that does not fit 64 bits, or if one
// layer's tensor has more elements than a kernel's 32-bit index reaches.
static bool lay_out(model *m, bool shares_classifier, uint64_t *out_size_bytes)
{
    const struct {
        const float **tensor;
        uint64_t count, rows, columns;
    } layout[] = {
        {&m->embedding, 1, m->vocab_size, m->dim},
        {&m->attention_norm, m->layer_count, 1, m->dim},
        {&m->wq, m->layer_count, m->dim, m->dim},
        {&m->wk, m->layer_count, m->kv_dim, m->dim},
        {&m->wv, m->layer_count, m->kv_dim, m->dim},
        {&m->wo, m->layer_count, m->dim, m->dim},
        {&m->ffn_norm, m->layer_count, 1, m->dim},
        {&m->w1, m->layer_count, m->hidden_dim, m->dim},
        {&m->w2, m->layer_count, m->dim, m->hidden_dim},
        {&m->w3, m->layer_count, m->hidden_dim, m->dim},
        {&m->final_norm, 1, 1, m->dim},
        {&m->cosines, 1, m->seq_len, m->head_size / 2},
        {&m->sines, 1, m->seq_len, m->head_size / 2},
        {&m->classifier, shares_classifier ? 0 : 1, m->vocab_size, m->dim},
    };
    uint64_t offset = HEADER_BYTES;
    for (size_t i = 0; i < sizeof layout / sizeof layout[0]; i++) {
        // Each factor is below 2^31, so a layer's product fits; three q, k and v tensors share one buffer and one
        // index.
        uint64_t elements = layout[i].rows * layout[i].columns, bytes = 0;
        if (elements > UINT32_MAX / 3 || __builtin_mul_overflow(elements * sizeof(float), layout[i].count, &bytes)) {
            return false;
        }
        *layout[i].tensor = offset <= m->file.size_bytes ? (const float *)(const void *)(m->file.bytes + offset) : NULL;
        if (__builtin_add_overflow(offset, bytes, &offset)) {
            return false;
        }
    }
    if (shares_classifier) {
        m->classifier = m->embedding;
    }
    *out_size_bytes = offset;
    return true;
}

// Keeps the file's RoPE tables if they can be cosines and sines, else computes them.
static bool check_rope(model *m, failure *f)
{
    uint64_t pairs = m->head_size / 2, count = m->seq_len * pairs;
    bool good = true;
    for (uint64_t i = 0; i < count && good; i++) {
        good = fabsf(m->cosines[i]) <= 1.001f && fabsf(m->sines[i]) <= 1.001f; // false for NaN too
    }
    if (good) {
        return true;
    }
    m->rope = malloc(2 * count * sizeof *m->rope);
    if (!m->rope) {
        return failure_set(f, EXIT_STATUS_FAILED, "no memory for %llu RoPE angles", (unsigned long long)count);
    }
    for (uint64_t i = 0; i < count; i++) {
        float angle = (float)(i / pairs) / powf(10000.0f, (float)(2 * (i % pairs)) / (float)m->head_size);
        m->rope[i] = cosf(angle);
        m->rope[count + i] = sinf(angle);
    }
    m->cosines = m->rope;
    m->sines = m->rope + count;
    return true;
}

static bool read_model(model *m, const char *path, failure *f)
{
    header h;
    if (m->file.size_bytes < HEADER_BYTES) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "'%s' is no llama2.c checkpoint: %zu bytes are less than its header", path,
                           m->file.size_bytes);
    }
    memcpy(&h, m->file.bytes, sizeof h);
    if (!check_header(&h, path, f)) {
        return false;
    }
    take_shape(m, &h);
    uint64_t size_bytes = 0;
    if (!lay_out(m, h.vocab_size > 0, &size_bytes)) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "'%s' cannot be used: its header asks for tensors of an impossible size", path);
    }
    if (size_bytes != m->file.size_bytes) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "'%s' does not fit its header: it has %zu bytes, the header asks for %llu", path,
                           m->file.size_bytes, (unsigned long long)size_bytes);
    }
    return check_rope(m, f);
}

bool model_open(const char *path, model *out, failure *f)
{
    _Static_assert(sizeof(header) == HEADER_BYTES, "the header is packed");
    *out = (model){0};
    if (!file_map(path, &out->file, f)) {
        return false;
    }
    if (!read_model(out, path, f)) {
        model_close(out);
        return false;
    }
    return true;
}

void model_close(model *m)
{
    free(m->rope);
    file_unmap(&m->file);
    *m = (model){0};
}
