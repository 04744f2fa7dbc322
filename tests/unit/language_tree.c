// The tree of a kernel's texts: what macros leave, what the parser makes of it and where, which mistakes it names, which bounds hostile texts meet,
// and that no text does harm. What the language takes and refuses on every device is tested in tests/conformance/language.c.
#include "base/text.h"
#include "language/preprocessor.h"
#include "language_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void refuse(const char *body, const char *part)
{
    refuse_text(NULL, body, part);
}

// A value or statement as a list: kind, then its parts; values with their types.
static void dump(fmi_text *out, const fmi_node *node);

static void dump_list(fmi_text *out, const fmi_node *list)
{
    for (; list; list = list->next) {
        fmi_text_format(out, " ");
        dump(out, list);
    }
}

static void dump_leaf(fmi_text *out, const fmi_node *node)
{
    static const char *const words[] = {[FMI_NODE_BARRIER] = "barrier",
                                        [FMI_NODE_EMPTY] = "empty",
                                        [FMI_NODE_BREAK] = "break",
                                        [FMI_NODE_CONTINUE] = "continue"};
    switch ((fmi_node_kind)node->kind) {
    case FMI_NODE_NUMBER:
    case FMI_NODE_KNOWN:
    case FMI_NODE_CONSTANT:
    case FMI_NODE_VARIABLE:
    case FMI_NODE_ID:
        fmi_text_format(out, "%.*s:%s", (int)node->token->length, node->token->start,
                        fmi_vtype_name((fmi_vtype)node->type));
        break;
    default: fmi_text_format(out, "%s", words[node->kind]); break;
    }
}

static void dump_parts(fmi_text *out, const fmi_node *node)
{
    const fmi_node *const parts[] = {node->a, node->b, node->c, node->d};
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i]) {
            fmi_text_format(out, " ");
            dump(out, parts[i]);
        }
    }
}

static void dump(fmi_text *out, const fmi_node *node)
{
    static const char *const words[] = {
        [FMI_NODE_ELEMENT] = "element", [FMI_NODE_INDEX] = "index",   [FMI_NODE_CONDITIONAL] = "?",
        [FMI_NODE_CAST] = "cast",       [FMI_NODE_CALL] = "call",     [FMI_NODE_BUILTIN] = "builtin",
        [FMI_NODE_ATOMIC] = "atomic",   [FMI_NODE_EXPRESSION] = "do", [FMI_NODE_BLOCK] = "block",
        [FMI_NODE_IF] = "if",           [FMI_NODE_WHILE] = "while",   [FMI_NODE_DO] = "repeat",
        [FMI_NODE_FOR] = "for",         [FMI_NODE_RETURN] = "return", [FMI_NODE_DECLARATION] = "let",
        [FMI_NODE_DECLARATOR] = "var",  [FMI_NODE_LIST] = "list",     [FMI_NODE_HELPER] = "helper"};
    bool is_list = node->kind == FMI_NODE_BLOCK || node->kind == FMI_NODE_LIST || node->kind == FMI_NODE_CALL ||
                   node->kind == FMI_NODE_BUILTIN || node->kind == FMI_NODE_ATOMIC ||
                   node->kind == FMI_NODE_DECLARATION;
    bool is_operator = node->kind == FMI_NODE_UNARY || node->kind == FMI_NODE_BINARY || node->kind == FMI_NODE_STORE ||
                       node->kind == FMI_NODE_STEP;
    if (!is_operator && (node->kind >= COUNT(words) || !words[node->kind])) {
        dump_leaf(out, node);
        return;
    }
    fmi_text_format(out, "(");
    if (is_operator) {
        fmi_text_format(out, "%s%.*s", node->kind == FMI_NODE_STEP && !node->is_prefix ? "post" : "",
                        (int)node->token->length, node->token->start);
    } else {
        fmi_text_format(out, "%s", words[node->kind]);
    }
    if (node->kind <= FMI_NODE_BARRIER) {
        fmi_text_format(out, ":%s", fmi_vtype_name((fmi_vtype)node->type));
    }
    if (is_list) {
        dump_list(out, node->a);
    } else {
        dump_parts(out, node);
    }
    fmi_text_format(out, ")");
}

static void expect_tree(const char *header, const char *body, const char *wanted)
{
    fmi_kernel_text text = make_text(header, body);
    fmi_tree tree;
    read_tree(&text, &tree);
    fmi_text out = {0};
    dump_list(&out, tree.header_list);
    dump_list(&out, tree.body_list);
    assert_string_equal(fmi_text_get(&out) + 1, wanted);
    fmi_text_free(&out);
    fmi_tree_free(&tree);
}

static void tree_of_operators_binds_as_the_language_says(void **state)
{
    (void)state;
    expect_tree(NULL, "x[0] = a * 2.0 + r[n];",
                "(do (=:float (element:float 0:int) (+:float (*:float a:float 2.0:float) (element:float n:uint))))");
    expect_tree(NULL, "int v = k[0] - 2 - 3 * k[1];",
                "(let (var (-:int (-:int (element:int 0:int) 2:int) (*:int 3:int (element:int 1:int)))))");
    expect_tree(NULL, "bool v = a < 2.0 && true || !(n == 1u);",
                "(let (var (||:bool (&&:bool (<:bool a:float 2.0:float) true:bool) (!:bool (==:bool n:uint "
                "1u:uint)))))");
    expect_tree(NULL, "int v = 1, q; q = v = 2; v += q++ - (1, 2);",
                "(let (var 1:int) (var)) (do (=:int q:int (=:int v:int 2:int))) "
                "(do (+=:int v:int (-:int (post++:int q:int) (,:int 1:int 2:int))))");
    expect_tree(NULL, "float v = n == 1u ? 1 : n > 2u ? 0.5 : 2;",
                "(let (var (?:float (==:bool n:uint 1u:uint) 1:int (?:float (>:bool n:uint 2u:uint) 0.5:float "
                "2:int))))");
}

static void tree_of_statements_nests_as_the_text_does(void **state)
{
    (void)state;
    expect_tree(NULL, "if (true) if (false) ; else { return; }",
                "(if true:bool (if false:bool empty (block (return))))");
    expect_tree(NULL, "for (int i = 0; i < 3; i++) { if (i == 1) continue; } do break; while (true);",
                "(for (let (var 0:int)) (<:bool i:int 3:int) (post++:int i:int) "
                "(block (if (==:bool i:int 1:int) continue))) (repeat break true:bool)");
    expect_tree("const int T[] = {1, 2};\nfloat f(float v, int i) { return v * float(T[i]); }", "x[0] = f(a, LESS);",
                "(let (var (list 1:int 2:int))) "
                "(helper (var) (block (return (*:float v:float (cast:float (index:int T:int i:int))))))"
                " (do (=:float (element:float 0:int) (call:float a:float LESS:int)))");
    expect_tree(NULL, "s[1] = atomic_add(k[0], min(2, 3)) == 1 ? global_id.x : group_size.y; barrier();",
                "(do (=:uint (element:uint 1:int) (?:uint (==:bool (atomic:int (element:int 0:int) "
                "(builtin:int 2:int 3:int)) 1:int) global_id:uint group_size:uint))) (do barrier)");
}

static void tree_knows_where_its_parts_stand(void **state)
{
    (void)state;
    fmi_kernel_text text = make_text("#define TWICE(v) ((v) + (v))\n", "int i = 1;\n  i = 2 *\n TWICE(i);");
    fmi_tree tree;
    read_tree(&text, &tree);
    const fmi_node *store = tree.body_list->next->a, *product = store->b, *sum = product->b;
    assert_int_equal(store->token->line, 2);
    assert_int_equal(store->token->column, 5);
    assert_int_equal(product->token->column, 9);
    assert_int_equal(sum->token->line, 3); // of the macro's text: where it is used
    assert_int_equal(sum->token->column, 2);
    assert_int_equal(sum->token->macro->length, 5);
    assert_int_equal(sum->a->token->column, 8); // of its argument: its own
    assert_true(store->is_statement && sum->is_wrapped && !product->is_wrapped);
    fmi_tree_free(&tree);
}

static void tree_tells_what_a_kernel_uses(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *body;
        uint32_t features;
    } cases[] = {
        {NULL, "x[0] = 1.0;", 0},
        {NULL, "if (group_count.x > 1u) return; s[0] = 1u; barrier();",
         FMI_NEEDS_GROUP_COUNT | FMI_NEEDS_SHARED | FMI_NEEDS_BARRIER},
        {NULL, "x[global_id.x] = float(local_id.y + group_id.z);",
         FMI_NEEDS_GLOBAL_ID | FMI_NEEDS_LOCAL_ID | FMI_NEEDS_GROUP_ID},
        {NULL, "while (true) { return; }", FMI_NEEDS_EARLY_RETURN | FMI_NEEDS_LOOPS},
        {"int f() { for (;;) return 1; }", "k[0] = f();", FMI_NEEDS_LOOPS},
        {"void f() { barrier(); }", "", FMI_NEEDS_BARRIER},
        {NULL, "ulong v = 0ul;", FMI_NEEDS_INT64},
        {NULL, "k[0] = int(long(1) == 2l);", FMI_NEEDS_INT64},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        fmi_kernel_text text = make_text(cases[i].header, cases[i].body);
        fmi_tree tree;
        read_tree(&text, &tree);
        assert_int_equal(tree.features, cases[i].features);
        fmi_tree_free(&tree);
    }
}

// What macros make of the body, its tokens with a blank between.
static void expect_expansion(const char *header, const char *body, const char *wanted)
{
    fmi_kernel_text text = {.header = header,
                            .header_length = header ? strlen(header) : 0,
                            .body = body,
                            .body_length = strlen(body),
                            .names = names,
                            .name_count = COUNT(names)};
    fmi_arena arena = {0};
    fmi_reading reading = {.names.arena = &arena};
    for (size_t i = 0; i < COUNT(names); i++) {
        fmi_names_intern(&reading.names, names[i].name, strlen(names[i].name))->declared = &names[i];
    }
    fmi_toks cut[2] = {{0}}, left[2] = {{0}};
    fmi_toks_cut(&reading, header, text.header_length, true, &cut[0]);
    fmi_preprocess_header(&reading, &cut[0], &left[0]);
    fmi_toks_cut(&reading, body, text.body_length, false, &cut[1]);
    fmi_preprocess_body(&reading, &cut[1], &left[1]);
    if (reading.status != FM_OK) {
        fail_msg("'%s': %s", body, fm_last_error());
    }
    fmi_text out = {0};
    for (uint32_t i = 0; i < left[1].count; i++) {
        fmi_text_append(&out, " ", i > 0);
        fmi_text_append(&out, left[1].list[i].start, left[1].list[i].length);
    }
    assert_string_equal(fmi_text_get(&out), wanted);
    fmi_text_free(&out);
    for (int i = 0; i < 2; i++) {
        fmi_toks_free(&cut[i]);
        fmi_toks_free(&left[i]);
    }
    fmi_arena_free(&arena);
}

static void macro_text_stands_where_its_name_was(void **state)
{
    (void)state;
    expect_expansion("#define A 1 + \\\n 2\n", "v = A;", "v = 1 + 2 ;");
    expect_expansion("#define A 1 + \\\r\n 2\n", "v = A;", "v = 1 + 2 ;");
    expect_expansion("#define A -1\n", "v-A", "v - - 1");
    expect_expansion("#define F(a, b) a*b\n", "F(1, (2, 3)) F (x[1],)", "1 * ( 2 , 3 ) x [ 1 ] *");
    expect_expansion("#define F(a) a G\n#define G F(2)\n", "F(1)", "1 F ( 2 )"); // none expands in its own text
    expect_expansion("#define F(a) [a]\n", "F(F(F(1))) F", "[ [ [ 1 ] ] ] F");
    expect_expansion("#define F() 1\n#define G (a)\n#define A(x) y\n", "F() G(2) A(\n)", "1 ( a ) ( 2 ) y");
    expect_expansion("#define A B\n#define B A\n", "A B", "A B");
    expect_expansion("#define A 1\n#undef A\n#undef A\n", "A", "A");
    expect_expansion("#define A /* no\n more */ 1 // end\n", "A;", "1 ;");
    expect_expansion("#define F(a) a\n", "F(FIVE) F(n)", "FIVE n");
}

static void condition_counts_as_its_line_says(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool is_true;
    } cases[] = {{"1", true},
                 {"0", false},
                 {"FIVE == 5 && FIVE % 2 == 1", true},
                 {"1 + 2 * 3 == 7 && (1 + 2) * 3 == 9", true},
                 {"-7 / 2 == -3 && -7 % 2 == -1", true},
                 {"1 << 40 > 0xffffffffu", true},
                 {"(6 & 3 | 8 ^ 1) == 11", true},
                 {"!defined(A) || A > 100", true},
                 {"defined B && B == 4", true},
                 {"defined(FIVE)", true},
                 {"0 && (1 / 0 || what)", false},
                 {"1 || what", true},
                 {"~0 == -1 && +1 >= 1 && 2 <= 1", false},
                 {"TWICE(2) != B", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, "#define B 4\n#define TWICE(a) (2 * (a))\n#if %s\n#define R yes\n#endif\n",
                 cases[i].condition);
        expect_expansion(header, "R", cases[i].is_true ? "yes" : "R");
    }
}

static void text_that_would_grow_without_end_is_refused(void **state)
{
    (void)state;
    fmi_text header = {0};
    fmi_text_format(&header, "#define A0 1 + 1\n");
    for (int i = 1; i < 40; i++) {
        fmi_text_format(&header, "#define A%d A%d + A%d\n", i, i - 1, i - 1);
    }
    refuse_text(fmi_text_get(&header), "x[0] = A39;", "macros make more than 1048576 tokens");
    fmi_text_free(&header);
    for (int i = 0; i < 100; i++) {
        fmi_text_format(&header, "#define A%d A%d\n", i, i + 1);
    }
    refuse_text(fmi_text_get(&header), "x[0] = A0;", "macros are nested more than 64 deep");
    fmi_text_free(&header);
}

static void repeat(fmi_text *text, const char *piece, int count)
{
    for (int i = 0; i < count; i++) {
        fmi_text_append(text, piece, strlen(piece));
    }
}

// Each of these would end the stack of the thread that creates the kernel.
static void nesting_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        const char *piece;
        const char *end;
        const char *closing;
    } cases[] = {{"x[0] = ", "(", "1.0", ")"},
                 {"x[0] = ", "-", "1.0", ""},
                 {"x[0] = ", "sin(", "1.0", ")"},
                 {"x[0] = ", "true ? 1.0 : ", "1.0", ""},
                 {"x[0] = ", "true ? ", "1.0", " : 2.0"},
                 {"", "{", "", "}"},
                 {"", "if (true) ", "", ""},
                 {"", "for (;;) ", "break;", ""},
                 {"int v; ", "v = ", "1", ""},
                 {"", "do ", "", " while (false);"},
                 {"x[0] = ", "float(", "1", ")"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fmi_text text = {0};
        repeat(&text, cases[i].start, 1);
        repeat(&text, cases[i].piece, 20000);
        repeat(&text, cases[i].end, 1);
        repeat(&text, cases[i].closing, 20000);
        repeat(&text, ";", 1);
        refuse_text(NULL, fmi_text_get(&text), "nested more than");
        fmi_text_free(&text);
    }
}

// A target's compiler recurses along a chain: some ten thousand operators end the stack of glslang's thread.
static void chain_is_bounded(void **state)
{
    (void)state;
    static const char *const pieces[] = {" + 1.0", ", x[0] = 1.0"};
    for (size_t i = 0; i < 2; i++) {
        for (int count = 2000; count <= 2001; count++) {
            fmi_text text = {0};
            repeat(&text, "x[0] = 1.0", 1);
            repeat(&text, pieces[i], count);
            repeat(&text, ";", 1);
            if (count == 2000) {
                assert_int_equal(check_text(NULL, fmi_text_get(&text)), FM_OK);
            } else {
                refuse_text(NULL, fmi_text_get(&text), "one expression has more than 2000 operators");
            }
            fmi_text_free(&text);
        }
    }
    fmi_text table = {0}; // of which each value is an expression
    repeat(&table, "const float table[] = {1.0 / 3.0", 1);
    repeat(&table, ", 1.0 / 3.0", 2500);
    repeat(&table, "};", 1);
    assert_int_equal(check_text(fmi_text_get(&table), "x[0] = table[1];"), FM_OK);
    fmi_text_free(&table);
}

static void expression_with_many_changes_is_refused(void **state)
{
    (void)state;
    fmi_text text = {0};
    for (int i = 0; i < 300; i++) {
        fmi_text_format(&text, "int v%d = 0;", i);
    }
    repeat(&text, "v0", 1);
    for (int i = 1; i < 300; i++) {
        fmi_text_format(&text, " + v%d++", i);
    }
    repeat(&text, ";", 1);
    refuse_text(NULL, fmi_text_get(&text), "one expression changes more than 256 variables");
    fmi_text_free(&text);
}

static void mistake_is_named_with_line_and_column(void **state)
{
    (void)state;
    refuse("\n  x = 1.0f;", "line 2, column 3: 'x' is a buffer and is used only as x[index]");
    refuse("sin(s);", "'s' is a shared array");
    refuse("x[];", "no index");
    refuse("float x = 1.0f;", "a variable needs another name");
    refuse("h[0]++;", "'h', whose elements are half");
    refuse("--b[0];", "'b', whose elements are int8");
    refuse("(u[0]) = 1u;", "'u', whose elements are uint8");
    refuse("h[k[0]++] += 1.0f;", "must have no side effect");
    refuse("h[atomic_add(k[0], 1)] += 1.0f;", "must have no side effect");
    refuse("r[0] = 1.0f;", "'r' is stored to, but its access is FM_ACCESS_READ");
    refuse("hr[0] += 1.0f;", "'hr' is stored to");
    refuse("x[0] = w[0];", "'w' is read, but its access is FM_ACCESS_WRITE");
    refuse("w[0] += 1.0f;", "'w' is read");
    refuse("(r[0])++;", "'r' is stored to");
    refuse("hw[0] *= 2.0f;", "'hw' is read");
    refuse("n = 1u;", "'n' is a constant");
    refuse("++n;", "'n' is a constant");
    refuse("float a = 1.0f;", "'a' is a constant");
    refuse("global_id.x = 1u;", "'global_id' cannot be changed");
    refuse("sin(global_id);", "global_id.x, global_id.y or global_id.z");
    refuse("global_id.w;", "'global_id' is used only as");
    refuse("return 1;", "write 'return;'");
    refuse("int fm_next = 1;", "reserved");
    refuse("again: ;", "':' belongs to no '?'");
    refuse("n > 1u ? n : n : n;", "':' belongs to no '?'");
    refuse("switch (n) { }", "'switch' is no word");
    refuse("{ break; }", "line 1, column 3: 'break' is in no loop");
    refuse("for (;;) if (n > 1u) break; else continue; continue;", "column 44: 'continue' is in no loop");
    refuse("do { break; } while (true); if (true) break;", "column 39: 'break' is in no loop");
    refuse("gl_NumWorkGroups.x;", "reserved");
    refuse("float *p;", "line 1, column 7: there are no pointers");
    refuse("int j = &k[0];", "column 9: there are no pointers");
    refuse("int v = 2 * *q;", "column 13: there are no pointers");
    refuse("float k = 1.0f;", "'k' is a parameter of the kernel: a variable needs another name");
    refuse("uint s[3];", "'s' is a shared array of the kernel: a variable needs another name");
    refuse("barrier(1);", "without arguments");
    refuse("half d;", "'half' is no word");
    refuse("vec2 v;", "'vec2' is no word");
    refuse("atomic_min(x[0], 1.0f);", "of float elements there is atomic_add alone");
    refuse("atomic_add(x[0], 1);", "column 18: the element is a float, and this is an int: cast it");
    refuse("atomic_add(u[0], 1u);",
           "atomic_add works on int, uint, long and ulong elements, and on float; those of 'u' are uint8");
    refuse("atomic_add(v, 1);", "an element, such as x[i]");
    refuse("atomic_add(k[0] + 1, 1);", "an element, such as x[i]");
    refuse("atomic_add", "an element, such as x[i]");
    refuse("h[0] = 1.0f", "line 1, column 12: ';' is missing at the end");
}

static void text_that_is_no_code_is_refused(void **state)
{
    (void)state;
    refuse("if (n > 0u) {", "line 1, column 13: '{' is never closed");
    refuse("} void f() {", "'}' closes nothing");
    refuse("x[(0]);", "']' closes nothing");
    refuse("#define A 1\n", "no preprocessor lines");
    refuse("/* ", "a comment has no end");
    refuse("// a \\\nx[0] = 1.0f;\ny", "line 3, column 1: 'y' is not declared"); // the comment goes on
    refuse("\"s\"", "no strings");
    refuse("k[0] = 'c';", "no strings");
    refuse("k[0] = 2147483648;", "does not fit 32 bits");
    refuse("k[0] = 0xffffffff;", "does not fit 32 bits");
    refuse("k[0] = 0xu;", "a number is neither");
    refuse("k[0] = 4294967296u;", "does not fit 32 bits");
    refuse("k[0] = 1ll;", "neither an int");
    refuse("k[0] = 1lu;", "neither an int");
    refuse("k[0] = 9223372036854775808l;", "does not fit 64 bits");
    refuse("k[0] = 18446744073709551616ul;", "does not fit 64 bits");
    refuse("x[0] = 1.0lg;", "neither an int");
    refuse("x[0] = 1.5e;", "no digits");
    refuse("x[0] = 1.2.3;", "neither an int");
    refuse("k[0] = 1 \\ 2;", "column 10: a backslash continues its line only");
    refuse("\xc3\xa9", "no meaning");
    refuse("@", "no meaning");
}

static void deep_nesting_is_refused_without_harm(void **state)
{
    (void)state;
    enum { DEPTH = 50000 };
    char *text = malloc(3 * DEPTH + 1);
    assert_non_null(text);
    for (size_t i = 0; i < DEPTH; i++) {
        memcpy(text + 2 * i, "k[", 2);
        text[2 * DEPTH + i] = ']';
    }
    text[3 * DEPTH] = 0;
    refuse(text, "nested more than");
    free(text);
}

// Of a parameter whose dtype comes with the dispatch nothing is refused that one dtype would allow.
static void element_without_a_dtype_fits_everywhere(void **state)
{
    (void)state;
    static const fmi_declared open[] = {{"t", FMI_DECLARED_BUFFER, FM_DTYPE_NONE, FM_ACCESS_READ_WRITE, 0, 0},
                                        {"x", FMI_DECLARED_BUFFER, FM_DTYPE_F32, FM_ACCESS_READ_WRITE, 0, 0}};
    static const struct {
        const char *header;
        const char *body;
        const char *sentence; // NULL: taken
    } cases[] = {
        {NULL, "t[0] = t[1] % 2; t[0] = 1.5; x[0] = sqrt(t[0]); t[0]++; t[0] <<= 1; t[0] = min(t[0], 1);", NULL},
        {"float f(float v) { return v; }", "x[0] = f(t[0]) + t[1]; bool b = t[0] < t[1];", NULL},
        {NULL, "t[0] = nothing;", "'nothing' is not declared"},
        {NULL, "t = 1;", "is used only as t[index]"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        fmi_kernel_text text = make_text(cases[i].header, cases[i].body);
        text.names = open;
        text.name_count = COUNT(open);
        fmi_tree tree;
        fm_status status = fmi_tree_read(&text, &tree);
        assert_int_equal(status, cases[i].sentence ? FM_ERROR_COMPILE : FM_OK);
        if (status == FM_OK) {
            fmi_tree_free(&tree);
        } else {
            assert_non_null(strstr(fm_last_error(), cases[i].sentence));
        }
    }
}

static void random_text_never_does_harm(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "x[0]",   "t[",     "]",         "n",           "s[1]",    "FIVE",     "(",       ")",        "{",
        "}",      ";",      ",",         "=",           "+=",      "++",       "+",       "-",        "/",
        "%",      "<<",     "<",         "&&",          "?",       ":",        "!",       "int ",     "float ",
        "bool ",  "const ", "void ",     "v",           "w",       "f",        "f(",      "min(",     "1",
        "0",      "2.5",    "3u",        "4l",          "if (",    "else ",    "for (",   "while",    "do ",
        "return", "break",  "true",      "#if ",        "#else\n", "#endif\n", "\n",      "#define ", "M",
        "M(",     "N",      "barrier()", "global_id.x", " ",       "\\\n",     "defined", "#undef ",  "atomic_add(",
        "/* ",    "*/",     "//"};
    uint32_t random = 7;
    uint32_t taken = 0;
    for (int round = 0; round < 40000; round++) {
        fmi_text texts[2] = {{0}, {0}};
        for (int i = 0; i < 30; i++) {
            random = random * 1664525u + 1013904223u;
            const char *piece = pieces[(random >> 12) % (sizeof pieces / sizeof pieces[0])];
            fmi_text_append(&texts[(random >> 28) & 1], piece, strlen(piece));
        }
        taken += check_text(fmi_text_get(&texts[0]), fmi_text_get(&texts[1])) == FM_OK;
        taken += check_text("#define M (v)\n#define N(a) a;\nint f(int v) { return v; }\n", fmi_text_get(&texts[1])) ==
                 FM_OK;
        fmi_text_free(&texts[0]);
        fmi_text_free(&texts[1]);
    }
    assert_true(taken < 80000); // most is nonsense; what counts is to come here
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_of_operators_binds_as_the_language_says),
        cmocka_unit_test(tree_of_statements_nests_as_the_text_does),
        cmocka_unit_test(tree_knows_where_its_parts_stand),
        cmocka_unit_test(tree_tells_what_a_kernel_uses),
        cmocka_unit_test(macro_text_stands_where_its_name_was),
        cmocka_unit_test(condition_counts_as_its_line_says),
        cmocka_unit_test(text_that_would_grow_without_end_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(chain_is_bounded),
        cmocka_unit_test(expression_with_many_changes_is_refused),
        cmocka_unit_test(mistake_is_named_with_line_and_column),
        cmocka_unit_test(text_that_is_no_code_is_refused),
        cmocka_unit_test(deep_nesting_is_refused_without_harm),
        cmocka_unit_test(element_without_a_dtype_fits_everywhere),
        cmocka_unit_test(random_text_never_does_harm),
    };
    return cmocka_run_group_tests_name("language_tree", tests, NULL, NULL);
}
