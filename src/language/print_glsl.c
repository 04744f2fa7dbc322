// A tree as GLSL: the argument block, the buffers, the shared arrays and `main` around the body. See print.h.
// Bindings may alias, so nothing is `restrict`. One function a part of the shader, in the order in which they appear in it.
#include "language/dialect.h"

#define INT64_EXTENSION "GL_EXT_shader_explicit_arithmetic_types_int64"

static const fmi_dialect dialect = {
    .kind = FMI_GLSL,
    .truth = {"false", "true"},
    .ids = {"fm_global_id", "gl_LocalInvocationID", "fm_group_id", "fm_group_count"},
    .address = "",
    .function = "",
    .table = "const ",
    .barrier = "barrier()",
    .array = ".v",
};

static const char *const access_words[] = {
    [FM_ACCESS_READ] = "readonly ",
    [FM_ACCESS_WRITE] = "writeonly ",
    [FM_ACCESS_READ_WRITE] = "",
};

static const char *element_of(const fmi_tree *tree, uint32_t index)
{
    return fmi_print_row(tree, index)->words[FMI_GLSL].element;
}

// What the device is asked to keep of floats: {capability, execution mode, width} of SPIR-V.
static void put_float_modes(const fmi_print *print, fmi_text *text)
{
    static const struct {
        uint32_t bit, capability, mode, width;
    } modes[] = {
        {FMI_KEEP_NAN, 4466, 4461, 32},
        {FMI_KEEP_WIDE_NAN, 4466, 4461, 64},
        {FMI_KEEP_SUBNORMALS, 4464, 4459, 32},
        {FMI_ROUND_HALF, 4467, 4462, 16},
    };
    uint32_t wanted = FMI_KEEP_NAN | FMI_KEEP_SUBNORMALS;
    wanted |= print->tree->features & FMI_NEEDS_FLOAT64 || fmi_print_has_dtype(print->tree, FM_DTYPE_F64)
                  ? FMI_KEEP_WIDE_NAN
                  : 0u;
    wanted |= fmi_print_has_dtype(print->tree, FM_DTYPE_F16) ? FMI_ROUND_HALF : 0u;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (wanted & print->float_modes & modes[i].bit) {
            fmi_text_format(text, "spirv_execution_mode(capabilities = [%u], %u, %u);\n", modes[i].capability,
                            modes[i].mode, modes[i].width);
        }
    }
}

static void put_extensions(const fmi_print *print, fmi_text *text)
{
    const fmi_tree *tree = print->tree;
    bool uses_int64 = (tree->features & FMI_NEEDS_INT64) != 0;
    fmi_text_format(text, "#version 460\n");
    if (print->binding_mode == FM_BINDING_ADDRESSES) {
        fmi_text_format(text, "#extension GL_EXT_buffer_reference : require\n"
                              "#extension GL_EXT_buffer_reference_uvec2 : require\n");
    }
    for (uint32_t i = 0; i < tree->source->name_count; i++) {
        const fmi_dtype_row *row = fmi_print_row(tree, i);
        uses_int64 |= fmi_vtype_is_64_bit(row->vtype);
        if (row->is_storage) {
            fmi_text_format(text, "#extension %s : require\n", row->glsl_extension);
        }
    }
    if (uses_int64) {
        fmi_text_format(text, "#extension " INT64_EXTENSION " : require\n");
    }
    if (tree->features & (FMI_NEEDS_ATOMIC_INT64 | FMI_NEEDS_ATOMIC_SHARED_INT64)) {
        fmi_text_format(text, "#extension GL_EXT_shader_atomic_int64 : require\n");
    }
    if (tree->features & (FMI_NEEDS_ATOMIC_FLOAT | FMI_NEEDS_ATOMIC_SHARED_FLOAT)) {
        fmi_text_format(text, "#extension GL_EXT_shader_atomic_float : require\n");
    }
    if (print->has_subgroups && (tree->features & FMI_NEEDS_SUBGROUPS)) {
        fmi_text_format(text, "#extension GL_KHR_shader_subgroup_arithmetic : require\n"
                              "#extension GL_KHR_shader_subgroup_ballot : require\n");
    }
    fmi_text_format(text, "#extension GL_EXT_spirv_intrinsics : require\n");
    put_float_modes(print, text);
    const uint32_t *size = tree->source->group_size;
    fmi_text_format(text, "layout(local_size_x = %u, local_size_y = %u, local_size_z = %u) in;\n", size[0], size[1],
                    size[2]);
}

static void put_buffers(const fmi_print *print, fmi_text *text)
{
    const fmi_tree *tree = print->tree;
    const fmi_name_range buffers = fmi_print_range(tree, FMI_DECLARED_BUFFER);
    for (uint32_t i = 0; i < buffers.count; i++) {
        const fmi_declared *buffer = &tree->source->names[i];
        const char *access = access_words[buffer->access], *element = element_of(tree, i);
        if (print->binding_mode == FM_BINDING_ADDRESSES) {
            fmi_text_format(text,
                            "layout(buffer_reference, std430, buffer_reference_align = %u) %sbuffer fm_buffer_%u { %s "
                            "v[]; };\n",
                            fmi_print_row(tree, i)->size_bytes, access, i, element);
        } else {
            fmi_text_format(text, "layout(set = 0, binding = %u, std430) %sbuffer fm_buffer_%u { %s v[]; } fm_b_%s;\n",
                            i, access, i, element, buffer->name);
        }
    }
}

// The argument block: in push constants, or where it is too large in memory.
static void put_arguments(fmi_print *print, fmi_text *text)
{
    fmi_text members = {0};
    const fmi_name_range buffers = fmi_print_range(print->tree, FMI_DECLARED_BUFFER);
    bool has_addresses = print->binding_mode == FM_BINDING_ADDRESSES;
    for (uint32_t i = 0; i < buffers.count && has_addresses; i++) {
        // As words: glslang 12 loads a reference from an argument block in memory with too small an alignment.
        fmi_text_format(&members, "    uvec2 b%u;\n", i);
    }
    uint32_t addresses = !has_addresses ? 0 : buffers.count + (print->notes_loops ? 1 : 0);
    if (addresses > buffers.count) {
        fmi_text_format(&members, "    uvec2 fm_note;\n");
    }
    uint32_t size_bytes = fmi_print_members(print, FMI_GLSL, &members) + 8 * addresses;
    print->indirect_arguments = size_bytes > print->max_push_constants_bytes;
    const char *list = fmi_text_get(&members);
    if (size_bytes == 0) {
        // nothing travels
    } else if (!print->indirect_arguments) {
        fmi_text_format(text, "layout(push_constant, std430) uniform fm_block {\n%s} fm_args;\n", list);
    } else if (has_addresses) {
        fmi_text_format(text,
                        "layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer fm_block "
                        "{\n%s};\nlayout(push_constant, std430) uniform fm_push { fm_block fm_args; };\n",
                        list);
    } else {
        fmi_text_format(text, "layout(set = 0, binding = %u, std430) readonly buffer fm_block {\n%s} fm_args;\n",
                        buffers.count, list);
    }
    text->failed |= members.failed;
    fmi_text_free(&members);
}

static void put_shared(const fmi_tree *tree, fmi_text *text)
{
    const fmi_name_range shared = fmi_print_range(tree, FMI_DECLARED_SHARED);
    for (uint32_t i = shared.first; i < shared.first + shared.count; i++) {
        const fmi_declared *array = &tree->source->names[i];
        fmi_text_format(text, "shared %s fm_s_%s[%u];\n", element_of(tree, i), array->name, array->count);
    }
}

// What the body names and is not there by itself.
static void put_locals(const fmi_print *print, fmi_text *text)
{
    const fmi_tree *tree = print->tree;
    const fmi_name_range buffers = fmi_print_range(tree, FMI_DECLARED_BUFFER);
    for (uint32_t i = 0; i < buffers.count && print->binding_mode == FM_BINDING_ADDRESSES; i++) {
        fmi_text_format(text, "    fm_buffer_%u fm_b_%s = fm_buffer_%u(fm_args.b%u);\n", i, tree->source->names[i].name,
                        i, i);
    }
    fmi_print_constants(print, FMI_GLSL, text);
    if (print->wants_group_count) {
        // Zeros: only the device knows them, and the dispatch is not one part of several.
        fmi_text_format(text,
                        "    const uvec3 fm_group_count =\n"
                        "        fm_args.g0 != 0u ? uvec3(fm_args.g0, fm_args.g1, fm_args.g2) : gl_NumWorkGroups;\n");
    }
    if (print->wants_group_base) {
        fmi_text_format(text,
                        "    const uvec3 fm_group_base = uvec3(fm_args.o0, fm_args.o1, fm_args.o2);\n"
                        "    const uvec3 fm_group_id = gl_WorkGroupID + fm_group_base;\n"
                        "    const uvec3 fm_global_id = gl_GlobalInvocationID + fm_group_base * gl_WorkGroupSize;\n");
    }
}

// Where the note of ended loops lies, before `main`; the body is a function then.
static void put_note(const fmi_print *print, fmi_text *text)
{
    if (print->binding_mode == FM_BINDING_ADDRESSES) {
        fmi_text_format(text,
                        "layout(buffer_reference, std430, buffer_reference_align = 4) writeonly buffer fm_note { uint "
                        "ended; };\n");
    } else {
        fmi_text_format(text,
                        "layout(set = 0, binding = %u, std430) writeonly buffer fm_note { uint ended; } fm_noted;\n",
                        fmi_print_range(print->tree, FMI_DECLARED_BUFFER).count + 1);
    }
}

// `main` behind a body that is a function: a loop of two trips, whose number no compiler knows, makes one where loops are ended. lavapipe runs
// loops for lanes as well that are no work-items, where they fill up a group: those are kept out of the body, or they would use up its trips.
static void put_noting_main(const fmi_print *print, fmi_text *text)
{
    const uint32_t *size = print->tree->source->group_size;
    uint32_t items = size[0] * size[1] * size[2];
    fmi_text_format(text, "void main()\n{\n");
    if (items % 64 != 0) {
        fmi_text_format(text, "    if (gl_LocalInvocationIndex < %uu)\n    ", items);
    }
    fmi_text_format(text,
                    "    fm_item();\n"
                    "    uint trips = min(gl_NumWorkGroups.x, 1u) + 1u, sum = 0u;\n"
                    "    for (uint i = 0u; i < trips; i++) {\n"
                    "        sum += trips;\n"
                    "    }\n"
                    "    if (sum != trips * trips) {\n"
                    "        %s.ended = 1u;\n"
                    "    }\n"
                    "}\n",
                    print->binding_mode == FM_BINDING_ADDRESSES ? "fm_note(fm_args.fm_note)" : "fm_noted");
}

fm_status fmi_print_glsl(fmi_print *print)
{
    fmi_text *text = &print->text;
    fmi_printer printer = {
        .dialect = &dialect, .tree = print->tree, .out = text, .access = "", .leave = "return", .indent = 1};
    fmi_print_note_wants(print);
    // A call of fmod has loops as well.
    print->notes_loops =
        print->ends_loops && (print->tree->features & FMI_NEEDS_LOOPS || print->tree->pieces & FMI_PIECE_ROUND);
    put_extensions(print, text);
    put_buffers(print, text);
    if (print->notes_loops) {
        put_note(print, text);
    }
    put_arguments(print, text);
    put_shared(print->tree, text);
    fmi_prelude_write(print, FMI_GLSL, text);
    fmi_put_header(&printer);
    fmi_put(&printer, print->notes_loops ? "void fm_item()\n{\n" : "void main()\n{\n");
    put_locals(print, text);
    fmi_put_statements(&printer, print->tree->body_list);
    fmi_put(&printer, "}\n");
    if (print->notes_loops) {
        put_noting_main(print, text);
    }
    return fmi_print_end(print);
}
