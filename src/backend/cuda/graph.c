// Runs of waves that are dispatches alone become one launch of an executable graph: a node a dispatch, waves joined one behind the other. Setting a
// node's arguments anew costs a tenth of a launch, the nodes of a wave run side by side, and the next wave follows without the processor.
// Making such a graph costs as much as hundreds of launches, so they are kept by shape (how wide each wave is), the least recently used goes
// first, and a shape gets one when it has been seen several times. What has none, and what the driver refuses, is launched one by one.
// One thread at a time, inside submit. Each queue has its own: launches of one graph wait for each other.
#include "backend/cuda/cuda.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_GRAPHS = 48,  // of a queue
    MOST_NODES = 1024, // of a graph
    SEEN_OFTEN = 3,    // before a shape gets a graph
    SEEN_PLACES = 256, // a power of two
    FULL_JOIN = 256,   // edges between two waves; where there would be more, an empty node stands between them
    KEPT_WORDS = 16,   // of a node's arguments, to know whether they are the same again
};

// A node and what it was last set to.
typedef struct graph_node {
    fmi_cu_graph_node node;
    uint64_t serial; // of the kernel
    uint32_t groups[3];
    uint32_t block_size_bytes;
    uint64_t block[KEPT_WORDS];
} graph_node;

typedef struct graph {
    uint64_t hash;       // of the widths
    uint64_t used;       // rises with each use of any
    fmi_cu_graph source; // names the nodes
    fmi_cu_graph_exec exec;
    uint32_t wave_count;
    uint32_t node_count;
    uint16_t widths[FMI_CUDA_GRAPH_WAVES];
    graph_node nodes[];
} graph;

struct fmi_cuda_graphs {
    graph *graphs[MOST_GRAPHS];
    uint32_t count;
    uint64_t used;
    struct {
        uint64_t hash;
        uint32_t times;
    } seen[SEEN_PLACES];
};

static void destroy(const fmi_cuda_driver *cu, graph *g)
{
    if (g->exec) {
        (void)cu->GraphExecDestroy(g->exec); // one that runs ends first
    }
    if (g->source) {
        (void)cu->GraphDestroy(g->source);
    }
    free(g);
}

void fmi_cuda_graphs_drop(const fmi_cuda_driver *cu, fmi_cuda_graphs *graphs)
{
    for (uint32_t i = 0; graphs && i < graphs->count; i++) {
        destroy(cu, graphs->graphs[i]);
    }
    if (graphs) {
        graphs->count = 0;
    }
}

// The parameters of a node for a command; `block` and `parameters` are the caller's, for as long as they are used.
static fmi_cu_kernel_node describe(const fmi_command *command, uint64_t *block, void **parameters)
{
    const fmi_kernel_binary *binary = command->binary;
    static const uint32_t no_base[3] = {0, 0, 0};
    fmi_cuda_write_block((uint8_t *)block, command, binary, no_base);
    parameters[0] = block;
    return (fmi_cu_kernel_node){
        .function = binary->function,
        .grid = {command->group_count[0], command->group_count[1], command->group_count[2]},
        .block = {binary->group_size[0], binary->group_size[1], binary->group_size[2]},
        .parameters = binary->block_size_bytes ? parameters : NULL,
    };
}

// Notes what a node is set to; it is set again where that does not fit.
static void note(graph_node *node, const fmi_command *command, const uint64_t *block)
{
    const fmi_kernel_binary *binary = command->binary;
    bool fits = binary->block_size_bytes <= sizeof node->block;
    node->serial = fits ? binary->serial : 0;
    memcpy(node->groups, command->group_count, sizeof node->groups);
    node->block_size_bytes = binary->block_size_bytes;
    if (fits) {
        memcpy(node->block, block, binary->block_size_bytes);
    }
}

static bool is_as_noted(const graph_node *node, const fmi_command *command, const uint64_t *block)
{
    return node->serial == command->binary->serial &&
           memcmp(node->groups, command->group_count, sizeof node->groups) == 0 &&
           memcmp(node->block, block, node->block_size_bytes) == 0;
}

// Adds a wave's nodes behind `before`, and stores what the next wave comes behind.
static fmi_cu_result add_wave(const fmi_cuda_driver *cu, graph *g, uint32_t first, uint32_t width,
                              fmi_command *const *commands, fmi_cu_graph_node *before, uint32_t *before_count)
{
    fmi_cu_graph_node join;
    fmi_cu_result result = FMI_CU_SUCCESS;
    if (*before_count > 1 && *before_count * width > FULL_JOIN) {
        result = cu->GraphAddEmptyNode(&join, g->source, before, *before_count);
        before[0] = join;
        *before_count = 1;
    }
    for (uint32_t i = 0; i < width && result == FMI_CU_SUCCESS; i++) {
        uint64_t block[FMI_CUDA_BLOCK_BYTES / sizeof(uint64_t)];
        void *parameters[1];
        fmi_cu_kernel_node node = describe(commands[first + i], block, parameters);
        result = cu->GraphAddKernelNode(&g->nodes[first + i].node, g->source, *before_count ? before : NULL,
                                        *before_count, (const void *)&node);
        note(&g->nodes[first + i], commands[first + i], block);
    }
    for (uint32_t i = 0; i < width && result == FMI_CU_SUCCESS; i++) {
        before[i] = g->nodes[first + i].node;
    }
    *before_count = width;
    return result;
}

// NULL: the driver makes none, or there is no host memory for it.
static graph *create(const fmi_cuda_driver *cu, const fmi_cuda_run *run, uint64_t hash)
{
    graph *g = calloc(1, sizeof *g + run->node_count * sizeof g->nodes[0]);
    fmi_cu_graph_node *before = calloc(run->node_count, sizeof *before);
    bool is_made = g && before && cu->GraphCreate(&g->source, 0) == FMI_CU_SUCCESS;
    uint32_t first = 0, before_count = 0;
    for (uint32_t w = 0; w < run->wave_count && is_made; w++) {
        is_made = add_wave(cu, g, first, run->widths[w], run->commands, before, &before_count) == FMI_CU_SUCCESS;
        first += run->widths[w];
    }
    is_made = is_made && cu->GraphInstantiateWithFlags(&g->exec, g->source, 0) == FMI_CU_SUCCESS;
    free(before);
    if (!is_made) {
        if (g) {
            g->exec = NULL;
            destroy(cu, g);
        }
        return NULL;
    }
    g->hash = hash;
    g->wave_count = run->wave_count;
    g->node_count = run->node_count;
    memcpy(g->widths, run->widths, run->wave_count * sizeof run->widths[0]);
    return g;
}

static graph *find(fmi_cuda_graphs *graphs, const fmi_cuda_run *run, uint64_t hash)
{
    for (uint32_t i = 0; i < graphs->count; i++) {
        graph *g = graphs->graphs[i];
        if (g->hash == hash && g->wave_count == run->wave_count &&
            memcmp(g->widths, run->widths, run->wave_count * sizeof run->widths[0]) == 0) {
            return g;
        }
    }
    return NULL;
}

// Counts a shape without a graph. True: it is time that it gets one.
static bool is_seen_often(fmi_cuda_graphs *graphs, uint64_t hash)
{
    uint32_t place = (uint32_t)hash % SEEN_PLACES;
    if (graphs->seen[place].hash != hash) {
        graphs->seen[place].hash = hash;
        graphs->seen[place].times = 0;
    }
    return ++graphs->seen[place].times >= SEEN_OFTEN;
}

static graph *find_or_create(const fmi_cuda_driver *cu, fmi_cuda_graphs *graphs, const fmi_cuda_run *run)
{
    uint64_t hash = fmi_hash64(run->widths, run->wave_count * sizeof run->widths[0]);
    graph *g = find(graphs, run, hash);
    if (g || !is_seen_often(graphs, hash)) {
        return g;
    }
    graphs->seen[(uint32_t)hash % SEEN_PLACES].times = 0; // one that is dropped again, or cannot be made, counts anew
    g = create(cu, run, hash);
    if (!g) {
        return NULL;
    }
    uint32_t at = graphs->count;
    if (at == MOST_GRAPHS) {
        at = 0;
        for (uint32_t i = 1; i < graphs->count; i++) {
            at = graphs->graphs[i]->used < graphs->graphs[at]->used ? i : at;
        }
        destroy(cu, graphs->graphs[at]);
    } else {
        graphs->count++;
    }
    graphs->graphs[at] = g;
    return g;
}

bool fmi_cuda_graph_launch(fmi_backend *backend, fmi_cuda_queue *queue, const fmi_cuda_run *run)
{
    const fmi_cuda_driver *cu = backend->cu;
    if (!queue->graphs) {
        queue->graphs = calloc(1, sizeof *queue->graphs);
    }
    graph *g = queue->graphs && run->node_count <= MOST_NODES ? find_or_create(cu, queue->graphs, run) : NULL;
    if (!g) {
        return false;
    }
    g->used = ++queue->graphs->used;
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint64_t block[FMI_CUDA_BLOCK_BYTES / sizeof(uint64_t)];
        void *parameters[1];
        fmi_cu_kernel_node node = describe(run->commands[i], block, parameters);
        if (is_as_noted(&g->nodes[i], run->commands[i], block)) {
            continue;
        }
        g->nodes[i].serial = 0;
        if (cu->GraphExecKernelNodeSetParams(g->exec, g->nodes[i].node, (const void *)&node) != FMI_CU_SUCCESS) {
            return false;
        }
        note(&g->nodes[i], run->commands[i], block);
    }
    return cu->GraphLaunch(g->exec, queue->stream) == FMI_CU_SUCCESS;
}
