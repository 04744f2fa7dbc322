// A kernel's texts as one typed tree: what the parser makes of header and body, and what printers walk. A tree that was
// read is right: every name is known, every type fits, and no target's compiler has anything to refuse in it.
// Nodes live in the tree's arena and borrow the texts and names of what was read. Once read, a tree is not changed: any
// thread may look at it.
#ifndef FMI_LANGUAGE_TREE_H
#define FMI_LANGUAGE_TREE_H

#include "language/dtype.h"
#include "language/tokens.h"

#include <fermata/kernel.h>

typedef enum fmi_declared_kind {
    FMI_DECLARED_BUFFER = 0,
    FMI_DECLARED_CONSTANT = 1,
    FMI_DECLARED_SHARED = 2,
    FMI_DECLARED_SPECIAL = 3,
} fmi_declared_kind;

// A name that the kernel declares.
typedef struct fmi_declared {
    const char *name;
    uint8_t kind;   // fmi_declared_kind
    uint8_t dtype;  // fm_dtype; FM_DTYPE_NONE of a buffer: not chosen yet, and everything fits
    uint8_t access; // fm_access of a buffer
    double value;   // of a specialisation
    uint32_t count; // elements of a shared array; 0: not known
} fmi_declared;

// What to read; everything is borrowed until fmi_tree_free.
typedef struct fmi_kernel_text {
    const char *header; // NULL: none
    size_t header_length;
    const char *body;
    size_t body_length;
    const fmi_declared *names; // buffers, constants, shared arrays, specialisations, in this order
    uint32_t name_count;
    uint32_t group_size[3];
} fmi_kernel_text;

typedef enum fmi_node_kind {
    // Values.
    FMI_NODE_NUMBER,      // as its token has it; `number` or `real`
    FMI_NODE_KNOWN,       // computed when the text was read: `number` or `real`, in the type's own precision
    FMI_NODE_CONSTANT,    // `declared`
    FMI_NODE_VARIABLE,    // `symbol`
    FMI_NODE_ELEMENT,     // `declared` at index a; of a buffer or shared array
    FMI_NODE_INDEX,       // element b of the array a
    FMI_NODE_ID,          // `op`: fmi_id, without group_size; `number`: axis
    FMI_NODE_LANE,        // `op`: FMI_VALUE_SUBGROUP_SIZE or _LANE
    FMI_NODE_UNARY,       // `op` a
    FMI_NODE_BINARY,      // a `op` b, both as `operand`; a->next is this node; `op` may be a comma
    FMI_NODE_CONDITIONAL, // a ? b : c
    FMI_NODE_STORE,       // a = b, or a `op`= b, computed as `operand`
    FMI_NODE_STEP,        // `op` on a; `is_prefix`
    FMI_NODE_CAST,        // a as the node's type
    FMI_NODE_CALL,        // of helper `symbol` with the list a
    FMI_NODE_BUILTIN,     // `builtin` with the list a; `operand`: the type of a function that exists for several
    FMI_NODE_ATOMIC,      // `builtin`; the list a begins with an element
    FMI_NODE_BARRIER,
    // Statements. Lists are linked by `next`.
    FMI_NODE_EMPTY,
    FMI_NODE_EXPRESSION, // a;
    FMI_NODE_BLOCK,      // { list a }
    FMI_NODE_IF,         // if (a) b else c; c may be NULL
    FMI_NODE_WHILE,      // while (a) b
    FMI_NODE_DO,         // do a while (b)
    FMI_NODE_FOR,        // for (a; b; c) d; a is a declaration or an expression; a, b and c may be NULL
    FMI_NODE_RETURN,     // return a; a may be NULL
    FMI_NODE_BREAK,
    FMI_NODE_CONTINUE,
    FMI_NODE_DECLARATION, // the declarators of list a
    FMI_NODE_DECLARATOR,  // `symbol` with the first value a, which may be NULL or a list
    FMI_NODE_LIST,        // { list a }: values of an array
    FMI_NODE_HELPER,      // `symbol` with the declarators of list a and the block b
} fmi_node_kind;

struct fmi_symbol;

// Whether an operation of integers has a value in all targets. A division by what is not known may be one by zero, a
// shift one by too much.
typedef enum fmi_check {
    FMI_CHECK_NONE = 0,
    FMI_CHECK_SIGN, // the remainder of a signed number, which GLSL leaves open
    FMI_CHECK_ALL,
} fmi_check;

typedef struct fmi_node {
    uint8_t kind;    // fmi_node_kind
    uint8_t type;    // fmi_vtype of a value
    uint8_t op;      // of an operator, as of its token; without FMI_OP_STORES
    uint8_t operand; // fmi_vtype that operands become
    bool is_wrapped; // stands in parentheses
    bool is_prefix;
    bool is_statement;       // of a store: nobody takes its value
    bool is_constant;        // a target's compiler knows it, and may go on with it in another precision
    uint8_t check;           // fmi_check of an operation
    const fmi_tok *token;    // its place: the operator, or the first token
    const fmi_tok *argument; // the first token, where it is an argument
    struct fmi_node *next;
    struct fmi_node *a, *b, *c, *d;
    union {
        int64_t number;
        float real;
        double wide; // of a double
        const struct fmi_symbol *symbol;
        const fmi_declared *declared;
        const fmi_builtin *builtin;
    };
} fmi_node;

enum { FMI_MAX_DIMS = 4, FMI_MAX_ARGUMENTS = 32 };

typedef enum fmi_symbol_kind { FMI_SYMBOL_VARIABLE, FMI_SYMBOL_HELPER } fmi_symbol_kind;

// What header or body declares.
typedef struct fmi_symbol {
    fmi_name_entry *name;
    struct fmi_symbol *outer; // what the name stood for before; NULL: nothing
    struct fmi_symbol *older; // declared before it, still seen
    uint32_t scope;           // how deep it stands; 0: the header's own
    uint8_t kind;             // fmi_symbol_kind
    uint8_t type;             // fmi_vtype; of a helper what it gives
    bool is_const;
    bool is_known; // `number` or `real` is its value wherever it is used
    bool is_open;  // a helper whose text is being read
    uint8_t dim_count;
    uint8_t param_count;
    uint32_t inlined; // helper calls in a helper, and in those that it calls
    int64_t number;
    float real;
    uint32_t dims[FMI_MAX_DIMS];
    const fmi_node *params; // declarators of a helper's parameters
    uint32_t expression;    // number of the last expression that names it, for the order of changes
    uint32_t last_use;      // index of its last use there
    uint32_t last_change;   // of the last that changes it; UINT32_MAX: none
} fmi_symbol;

// What a kernel uses; bits of fmi_tree.features.
enum {
    FMI_NEEDS_GLOBAL_ID = 1u << 0,
    FMI_NEEDS_LOCAL_ID = 1u << 1,
    FMI_NEEDS_GROUP_ID = 1u << 2,
    FMI_NEEDS_GROUP_COUNT = 1u << 3,
    FMI_NEEDS_BARRIER = 1u << 4,
    FMI_NEEDS_SHARED = 1u << 5,
    FMI_NEEDS_INT64 = 1u << 6,
    FMI_NEEDS_EARLY_RETURN = 1u << 7, // a return inside a loop of the body
    FMI_NEEDS_FLOAT64 = 1u << 8,
    // Atomics that a device may lack.
    FMI_NEEDS_ATOMIC_INT64 = 1u << 9,
    FMI_NEEDS_ATOMIC_SHARED_INT64 = 1u << 10,
    FMI_NEEDS_ATOMIC_FLOAT = 1u << 11, // atomic_add
    FMI_NEEDS_ATOMIC_SHARED_FLOAT = 1u << 12,
    FMI_NEEDS_SUBGROUPS = 1u << 13,
    FMI_NEEDS_LOOPS = 1u << 14,
};

typedef struct fmi_tree {
    const fmi_kernel_text *source; // borrowed
    fmi_arena arena;
    fmi_toks header_raw; // as they were cut; macros borrow their tokens
    fmi_toks header;
    fmi_toks body_raw;
    fmi_toks body;
    fmi_node *header_list; // declarations and helpers
    fmi_node *body_list;   // statements
    uint32_t features;     // FMI_NEEDS_*
    uint32_t pieces;       // fmi_piece bits that its functions need
} fmi_tree;

// Reads and checks header and body. On error the last error says where, and nothing needs to be freed. FM_ERROR_COMPILE
// with line and column, FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_tree_read(const fmi_kernel_text *text, fmi_tree *out);
void fmi_tree_free(fmi_tree *tree);

#endif
