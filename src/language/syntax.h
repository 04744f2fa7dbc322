// What the files of the parser share while they read one kernel: syntax_*.c and symbols.c. Private to them.
// The text is read once, from front to back: each function makes its node and checks it. The first error stays and
// moves the parser to the text's end (fmi_syntax_fail), where every function comes back with a node, so that none has
// to look whether another failed. What walks over what was read, or computes with it, looks (fmi_syntax_failed).
// A parser lives on the stack of fmi_syntax_read, so nothing here is locked. Recursion is bounded by `depth`, because
// the text is the user's.
#ifndef FMI_LANGUAGE_SYNTAX_H
#define FMI_LANGUAGE_SYNTAX_H

#include "language/tree.h"

enum { FMI_MAX_NESTED = 200, FMI_MAX_CHANGES = 256, FMI_MAX_OPERATORS = 2000, FMI_MAX_INLINED = 10000 };

// The most bytes that the local variables of a body and its helpers have together, and that the header's tables have.
enum { FMI_MAX_VARIABLE_BYTES = 256 << 10 };

// A variable named in an expression. An expression's uses lie one behind the other, so each part of it is a range of
// them.
typedef struct fmi_use {
    fmi_symbol *symbol;
    const fmi_tok *token;
    uint32_t before; // the same symbol's use before this, or before the part that was joined last; UINT32_MAX: none
    bool changes;
} fmi_use;

// A part of an expression.
typedef struct fmi_value {
    fmi_node *node;        // its type is the value's
    const fmi_tok *first;  // its first token
    const uint32_t *sizes; // of `dims`; NULL: not known
    int64_t number;
    float real;
    uint32_t use;  // index of the use that it is, if it is a variable itself; else UINT32_MAX
    uint32_t uses; // its uses are [uses, parser->use_count) when it has been read
    uint8_t dims;  // dimensions that no index has taken yet: an array
    bool is_lvalue;
    bool is_const; // an lvalue that must not be changed
    bool is_fixed; // made of literals alone: what a table of the header may hold
    bool is_known; // an integer or bool whose value is `number`, or a float whose value is `real`
} fmi_value;

typedef struct fmi_parser {
    fmi_reading *reading; // of the text whose tokens it reads
    fmi_tree *tree;
    const fmi_tok *at; // the next token
    bool is_header;
    bool has_doubles; // the kernel or a text of it names them
    uint32_t depth;
    uint32_t operator_count; // of the expression: a target's compiler recurses along a chain of them
    uint32_t questions;      // `?` whose `:` has not come
    uint32_t inlined; // helper calls in the function that is read, and in those that it calls: compilers inline all
    uint32_t scope;
    uint32_t loops;
    fmi_symbol *symbols; // the newest that is seen
    fmi_use *uses;       // owned
    uint32_t use_count;
    uint32_t use_capacity;
    uint32_t change_count;           // uses of the expression that change what they name
    uint32_t expression;             // counts expressions
    const fmi_name_entry *declaring; // the name whose first value is being read; NULL: none
    uint8_t result;                  // fmi_vtype that `return` gives
    uint64_t local_bytes;
    uint64_t table_bytes;
    fmi_node no_node; // in place of those that there is no memory for, or no text
    fmi_value no_value;
    fmi_symbol no_symbol;
} fmi_parser;

// syntax_statement.c. Both texts, whose tokens the tree has.
void fmi_syntax_read(fmi_reading *reading, fmi_tree *tree);

static inline bool fmi_syntax_failed(const fmi_parser *parser)
{
    return parser->reading->status != FM_OK;
}

// syntax_token.c. `take` moves on if the next token is the operator.
static inline bool fmi_syntax_is(const fmi_parser *parser, uint8_t op)
{
    return parser->at->op == op;
}

static inline void fmi_syntax_skip(fmi_parser *parser)
{
    parser->at += parser->at->kind != FMI_TOK_END;
}

static inline bool fmi_syntax_take(fmi_parser *parser, uint8_t op)
{
    bool is = parser->at->op == op;
    parser->at += is;
    return is;
}

static inline fmi_term_kind fmi_syntax_term(const fmi_tok *token)
{
    return token->kind == FMI_TOK_NAME ? (fmi_term_kind)token->name->term.kind : FMI_TERM_NONE;
}

static inline fmi_keyword fmi_syntax_keyword(const fmi_tok *token)
{
    return fmi_syntax_term(token) == FMI_TERM_KEYWORD ? (fmi_keyword)token->name->term.code : FMI_KEYWORD_NONE;
}

static inline bool fmi_syntax_take_const(fmi_parser *parser)
{
    bool is = fmi_syntax_keyword(parser->at) == FMI_KEYWORD_CONST;
    parser->at += is;
    return is;
}

// The type that a token names; FMI_VT_COUNT: it is none.
static inline fmi_vtype fmi_syntax_type(const fmi_tok *token)
{
    return fmi_syntax_term(token) == FMI_TERM_TYPE ? (fmi_vtype)token->name->term.code : FMI_VT_COUNT;
}

// Fails with a sentence about a token, and gives a value that fits everywhere, the parser's own.
const fmi_value *fmi_syntax_fail(fmi_parser *parser, const fmi_tok *token, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
void fmi_syntax_fail_memory(fmi_parser *parser) __attribute__((cold));
// That value, once something failed.
const fmi_value *fmi_syntax_none(fmi_parser *parser, const fmi_tok *token) __attribute__((cold));

// Takes the operator, or says that it is missing; says that `text` is missing before the next token.
void fmi_syntax_expect(fmi_parser *parser, char op);
void fmi_syntax_miss(fmi_parser *parser, const char *text);

// Refuses the next token, where something else is wanted: with what is wrong about the token itself, if anything is,
// else with the sentence.
const fmi_value *fmi_syntax_refuse(fmi_parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

// Refuses a token that has no place anywhere: a word of another language, a pointer, a member.
void fmi_syntax_check_token(fmi_parser *parser, const fmi_tok *token);

// One level deeper, until fmi_syntax_rise. `what`: "this is".
static inline void fmi_syntax_nest(fmi_parser *parser, const fmi_tok *token, const char *what)
{
    if (parser->depth++ >= FMI_MAX_NESTED) {
        fmi_syntax_fail(parser, token, "%s nested more than %d deep", what, (int)FMI_MAX_NESTED);
    }
}

static inline void fmi_syntax_rise(fmi_parser *parser)
{
    parser->depth--;
}

// Notes that the kernel uses values of a type.
static inline void fmi_syntax_note_type(fmi_parser *parser, fmi_vtype type)
{
    parser->tree->features |= fmi_vtype_is_64_bit(type) ? FMI_NEEDS_INT64 : 0;
    parser->tree->features |= type == FMI_VT_DOUBLE ? FMI_NEEDS_FLOAT64 : 0;
}

// Notes what the text before the kernel's needs for a cast: of floats to integers all targets leave something open.
static inline void fmi_syntax_note_cast(fmi_parser *parser, fmi_vtype from, fmi_vtype to)
{
    if (fmi_vtype_is_real(from) && fmi_vtype_is_integer(to)) {
        parser->tree->pieces |= FMI_PIECE_LIMITS | (fmi_vtype_is_64_bit(to) ? FMI_PIECE_LONG_LIMITS : 0u) |
                                (from == FMI_VT_DOUBLE ? FMI_PIECE_DOUBLE : 0u);
    }
}

// Notes what the text before the kernel's needs for a node that is_constant.
static inline void fmi_syntax_note_constant(fmi_parser *parser, const fmi_node *node)
{
    if (node->is_constant) {
        parser->tree->pieces |= fmi_vtype_is_64_bit((fmi_vtype)node->type) ? FMI_PIECE_LONG_SAME : FMI_PIECE_SAME;
    }
}

// A node at a place. Never NULL.
fmi_node *fmi_syntax_make(fmi_parser *parser, fmi_node_kind kind, const fmi_tok *token);

// Appends to a list whose end is `*end`.
static inline void fmi_syntax_append(fmi_node ***end, fmi_node *node)
{
    **end = node;
    *end = &node->next;
}

// symbols.c. Declares what `*symbol` says at the name `token`, for good. Never NULL.
fmi_symbol *fmi_symbols_declare(fmi_parser *parser, const fmi_tok *token, const fmi_symbol *symbol);
void fmi_symbols_close(fmi_parser *parser, const fmi_symbol *newest); // forgets all that came after `newest`
// What the kernel declares by this name; in a header specialisations alone are seen.
const fmi_declared *fmi_symbols_find_declared(const fmi_parser *parser, const fmi_tok *name);
// Refuses a name that is not known, and names the nearest known one.
const fmi_value *fmi_symbols_refuse(fmi_parser *parser, const fmi_tok *name, bool is_function);

// syntax_expression.c. An expression with commas; one without; and one that is a statement, where a helper may give
// nothing. What calls itself for what is nested writes to `*out`: values given back would lie on the stack twice.
void fmi_syntax_expression(fmi_parser *parser, fmi_value *out);
void fmi_syntax_assignment(fmi_parser *parser, fmi_value *out);
fmi_node *fmi_syntax_effect(fmi_parser *parser);
void fmi_syntax_begin_expression(fmi_parser *parser);
// `++` or `--`, the token `op`, before or behind `target`, which becomes the step.
void fmi_syntax_step(fmi_parser *parser, fmi_value *target, const fmi_tok *op, bool is_prefix);

// syntax_value.c. A value with a node of its own, of which nothing is known.
fmi_value fmi_value_make(fmi_parser *parser, fmi_node_kind kind, fmi_vtype type, const fmi_tok *token);
// `*value` becomes what the operator at `token` makes of it, which cannot be stored to: the node that is returned,
// whose `a` is what it was.
fmi_node *fmi_value_wrap(fmi_parser *parser, fmi_value *value, fmi_node_kind kind, fmi_vtype type,
                         const fmi_tok *token);
// Takes a value: fails if it is an array or nothing, or an element that must not be read.
void fmi_value_take(fmi_parser *parser, const fmi_value *value);
// Fails if `value` cannot stand where a `type` is wanted. `what`: "the condition", for the sentence.
void fmi_value_fit(fmi_parser *parser, const fmi_value *value, fmi_vtype type, const char *what);
// Fails if the target cannot be stored to; `op` stores.
void fmi_value_check_target(fmi_parser *parser, const fmi_value *target, const fmi_tok *op);
// The index of a use.
uint32_t fmi_value_add_use(fmi_parser *parser, fmi_symbol *symbol, const fmi_tok *token);
void fmi_value_note_change(fmi_parser *parser, const fmi_value *target);
// Fails if one of the uses [first, middle) and one of those from `middle` on are of the same variable and one changes
// it.
void fmi_value_check_order(fmi_parser *parser, uint32_t first, uint32_t middle);

// syntax_operator.c. How tightly an operator binds; 0: it is none of two values.
int fmi_syntax_rank(uint8_t op);
bool fmi_syntax_gives_bool(uint8_t op);
// The type as which `left op right` is computed, by the operator's token; the operands become it, but for the right one
// of a shift.
fmi_vtype fmi_value_find_type(fmi_parser *parser, const fmi_tok *op, const fmi_value *left, const fmi_value *right);
// What the operator of integers needs (fmi_check), as `left op right` of `type`.
fmi_check fmi_value_check_of(const fmi_tok *op, fmi_vtype type, const fmi_value *right);
// What is known to go wrong: a division by zero, a shift by more bits than there are.
void fmi_value_check_known(fmi_parser *parser, const fmi_tok *op, fmi_vtype type, const fmi_value *right);

// syntax_known.c: numbers that are known when the kernel is compiled. A float is one of single precision, on every
// device.
// The known number of a value of type `from` that becomes one of `type`. A float that does not fit an integer becomes
// the nearest one that does, NaN becomes 0.
void fmi_known_convert(fmi_value *value, fmi_vtype from, fmi_vtype type);
// `*left` becomes what `left op right` gives, of two known numbers that both have `type` (of a shift: the left one).
void fmi_known_compute(uint8_t op, fmi_vtype type, fmi_value *left, const fmi_value *right);
int64_t fmi_known_compute_whole(uint8_t op, fmi_vtype type, int64_t a, int64_t b); // of no floats
// A value that is known gets a node that is its number, at `token`.
void fmi_known_fold(fmi_parser *parser, fmi_value *value, fmi_vtype type, const fmi_tok *token);

// syntax_operand.c: everything that no operator takes apart.
void fmi_syntax_operand(fmi_parser *parser, fmi_value *out);

// syntax_call.c. `name ( … )`, the name is the next token.
fmi_value fmi_syntax_call(fmi_parser *parser);

// syntax_declaration.c. `[const] type a = …, b[3];` up to and with the semicolon.
fmi_node *fmi_syntax_declaration(fmi_parser *parser);
bool fmi_syntax_is_declaration(const fmi_parser *parser);

#endif
