// What the files of the grammar share while they read one unit: parse.c (header and statements), parse_declaration.c, parse_expression.c,
// parse_call.c and scope.c. Private to them.
// A parser lives on the stack of fmi_grammar_check, so nothing here is locked. Recursion is bounded by `depth`, because the text is the user's.
#ifndef FMI_KERNEL_PARSER_H
#define FMI_KERNEL_PARSER_H

#include "kernel/edits.h"
#include "kernel/grammar.h"
#include "kernel/index.h"
#include "kernel/types.h"
#include "language/hints.h"

enum {
    FMI_MAX_DIMS = 4,
    FMI_MAX_HELPER_PARAMS = 32,
    FMI_MAX_NESTED = 200,
    FMI_MAX_CHANGES = 256,
    FMI_MAX_OPERATORS = 2000,
    FMI_MAX_INLINED = 10000
};

typedef enum fmi_symbol_kind { FMI_SYMBOL_VARIABLE, FMI_SYMBOL_HELPER } fmi_symbol_kind;

// What header or body declares.
typedef struct fmi_symbol {
    const char *name; // borrowed, no zero byte at its end
    uint32_t length;
    uint32_t scope; // how deep it stands; 0: the header's own
    uint8_t kind;   // fmi_symbol_kind
    uint8_t type;   // fmi_type; of a helper what it gives
    bool is_const;
    bool is_known; // `number` or `real` is its value wherever it is used
    bool is_open;  // a helper whose text is being read
    uint8_t dim_count;
    uint8_t param_count;
    int64_t number;
    float real;
    uint32_t inlined; // helper calls in a helper, and in those that it calls
    uint32_t dims[FMI_MAX_DIMS];
    uint8_t params[FMI_MAX_HELPER_PARAMS]; // fmi_type
} fmi_symbol;

// A variable named in an expression. An expression's uses lie one behind the other, so each part of it is a range of them.
typedef struct fmi_use {
    uint32_t symbol;
    uint32_t at; // token
    bool changes;
} fmi_use;

// A part of an expression.
typedef struct fmi_value {
    uint8_t type; // fmi_type
    bool is_lvalue;
    bool is_const;         // an lvalue that must not be changed
    bool is_fixed;         // made of literals alone: what a table of the header may hold
    bool is_known;         // an integer or bool whose value is `number`, or a float whose value is `real`
    bool is_storage;       // an element that is converted when it is stored
    bool is_element;       // of a const array, with indexes that are all known
    uint8_t dims;          // dimensions that no index has taken yet: an array
    uint32_t at;           // its first token
    uint32_t variable;     // index of the use that it is, if it is a variable itself; else UINT32_MAX
    uint32_t uses;         // its uses are [uses, parser->use_count) when it has been read
    const uint32_t *sizes; // of `dims`
    int64_t number;
    float real;
} fmi_value;

typedef struct fmi_parser {
    const fmi_grammar_input *input;
    fmi_tokens *tokens; // of the text that is being read
    bool is_header;
    bool has_doubles; // somewhere in the kernel
    uint32_t at;      // the next token; never a space
    uint32_t depth;
    uint32_t operator_count; // of the expression: a target's compiler recurses along a chain of them
    uint32_t
        inlined; // helper calls so far in the function that is read, and in those that it calls: compilers put each in its place
    uint32_t scope;
    uint32_t loops;
    fmi_symbol *symbols; // owned; innermost last
    uint32_t symbol_count;
    uint32_t symbol_capacity;
    fmi_index index; // of the symbols, by the same numbers
    fmi_use *uses;   // owned
    uint32_t use_count;
    uint32_t use_capacity;
    uint32_t change_count; // uses of the expression that change what they name
    uint32_t declaring;    // the name whose first value is being read; UINT32_MAX: none
    uint8_t result;        // fmi_type that `return` gives
    uint64_t local_bytes;
    uint64_t table_bytes;
} fmi_parser;

// Tokens. `take` moves on if the next token is `text`.
bool fmi_parser_is(const fmi_parser *parser, const char *text);
bool fmi_parser_take(fmi_parser *parser, const char *text);
void fmi_parser_skip(fmi_parser *parser); // one token
fm_status fmi_parser_expect(fmi_parser *parser, const char *text);
const fmi_token *fmi_parser_token(const fmi_parser *parser);

// The type that the next token names; FMI_TYPE_COUNT: it is none.
fmi_type fmi_parser_peek_type(const fmi_parser *parser);

// scope.c. A symbol is found innermost first; NULL if there is none.
fmi_symbol *fmi_scope_find(const fmi_parser *parser, const fmi_token *name);
fm_status fmi_scope_declare(fmi_parser *parser, uint32_t at, const fmi_symbol *symbol);
void fmi_scope_close(fmi_parser *parser, uint32_t symbol_count); // forgets all but the first `symbol_count`
const fmi_name *fmi_scope_find_kernel_name(const fmi_parser *parser, const fmi_token *name);
// "; here it is called 'abs'", "; do you mean 'min'?" or an empty text: what another language's word means here, else the nearest word or
// symbol. `is_function`: what stands before parentheses.
void fmi_scope_suggest(const fmi_parser *parser, const fmi_token *name, bool is_function, char out[FMI_MAX_HINT]);

// parse_expression.c. An expression with commas; one without; and one that is a statement, where a helper may give nothing.
fm_status fmi_parse_expression(fmi_parser *parser, fmi_value *out);
fm_status fmi_parse_assignment(fmi_parser *parser, fmi_value *out);
fm_status fmi_parse_effect(fmi_parser *parser);
// Fails if the value is an array or nothing.
fm_status fmi_parse_check_value(fmi_parser *parser, const fmi_value *value);
// Fails if `value` cannot stand where a `type` is wanted. `what`: "the condition", for the sentence.
fm_status fmi_parse_check_fits(fmi_parser *parser, const fmi_value *value, fmi_type type, const char *what);
fm_status fmi_parse_add_use(fmi_parser *parser, uint32_t symbol, uint32_t at, uint32_t *out_use);
// Fails if one of the uses [first, middle) and one of [middle, end) are of the same variable and one changes it.
fm_status fmi_parse_check_order(fmi_parser *parser, uint32_t first, uint32_t middle, uint32_t end);
void fmi_parse_begin_expression(fmi_parser *parser);
// `++` or `--` at token `at`, before or behind `target`.
fm_status fmi_parse_step(fmi_parser *parser, fmi_value *target, uint32_t at);

// parse_operand.c: everything that no operator takes apart.
fm_status fmi_parse_operand(fmi_parser *parser, fmi_value *out);
fm_status fmi_parse_fail_unknown(const fmi_parser *parser, uint32_t at,
                                 bool is_function); // names the nearest known name

// known.c: numbers that are known when the kernel is compiled. A float is one of single precision, on every device.
// `value` as one of `type`, its known number included. A float that does not fit an integer becomes the nearest one that does, NaN becomes 0.
void fmi_parse_convert(fmi_value *value, fmi_type type);
// What `left op right` gives, of two known numbers that both have `type` (of a shift: the left one); `out` has its type already.
void fmi_parse_compute(const char *op, fmi_type type, const fmi_value *left, const fmi_value *right, fmi_value *out);
// Has the known `value` stand for the tokens from its first to the parser's place.
fm_status fmi_parse_note_number(fmi_parser *parser, const fmi_value *value);
// Notes `left op right` of integers whose value a target leaves open; `stores`: it is `left op= right`.
fm_status fmi_parse_note_operation(fmi_parser *parser, uint32_t op, fmi_type type, const fmi_value *left,
                                   const fmi_value *right, bool stores);
// Keeps a target's compiler from computing with the value of tokens [first, parser's place) in double precision.
fm_status fmi_parse_note_opaque(fmi_parser *parser, uint32_t first, uint32_t end, fmi_type type);

// parse_call.c. `name ( … )`, the name is the next token.
fm_status fmi_parse_call(fmi_parser *parser, fmi_value *out);

// parse_declaration.c. `[const] type a = …, b[3];` up to and with the semicolon.
fm_status fmi_parse_declaration(fmi_parser *parser);
bool fmi_parse_is_declaration(const fmi_parser *parser);
// What follows a name in a declaration of `symbol`: sizes and first value. `at`: the name.
fm_status fmi_parse_declarator(fmi_parser *parser, uint32_t at, fmi_symbol *symbol);

#endif
