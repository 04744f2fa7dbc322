// The one list of the suite's groups. A group is one file, one cmocka run and one line here.
#ifndef FERMATA_TESTS_CONFORMANCE_GROUPS_H
#define FERMATA_TESTS_CONFORMANCE_GROUPS_H

// In the order in which they run: what later groups lean on comes first.
#define CT_GROUPS(X)                                                                                                   \
    X(status)                                                                                                          \
    X(device)                                                                                                          \
    X(close)                                                                                                           \
    X(settings)                                                                                                        \
    X(buffer)                                                                                                          \
    X(memory)                                                                                                          \
    X(map)                                                                                                             \
    X(import)                                                                                                          \
    X(kernel)                                                                                                          \
    X(glsl)                                                                                                            \
    X(host_function)                                                                                                   \
    X(builtins)                                                                                                        \
    X(functions)                                                                                                       \
    X(double)                                                                                                          \
    X(atomics)                                                                                                         \
    X(subgroups)                                                                                                       \
    X(dtypes)                                                                                                          \
    X(wide)                                                                                                            \
    X(template)                                                                                                        \
    X(language)                                                                                                        \
    X(division)                                                                                                        \
    X(values)                                                                                                          \
    X(loops)                                                                                                           \
    X(literals)                                                                                                        \
    X(elementary)                                                                                                      \
    X(workgroup)                                                                                                       \
    X(messages)                                                                                                        \
    X(sentences)                                                                                                       \
    X(decode_kernels)                                                                                                  \
    X(library)                                                                                                         \
    X(variants)                                                                                                        \
    X(prepare)                                                                                                         \
    X(disk_cache)                                                                                                      \
    X(dispatch)                                                                                                        \
    X(grid)                                                                                                            \
    X(environment)                                                                                                     \
    X(binding_mode)                                                                                                    \
    X(properties)                                                                                                      \
    X(indirect)                                                                                                        \
    X(commands)                                                                                                        \
    X(reusable)                                                                                                        \
    X(transfer)                                                                                                        \
    X(pattern)                                                                                                         \
    X(across)                                                                                                          \
    X(rect)                                                                                                            \
    X(stream)                                                                                                          \
    X(point)                                                                                                           \
    X(points)                                                                                                          \
    X(host_point)                                                                                                      \
    X(cancel)                                                                                                          \
    X(failure)                                                                                                         \
    X(failure_record)                                                                                                  \
    X(readback)                                                                                                        \
    X(large)                                                                                                           \
    X(order)                                                                                                           \
    X(learned)                                                                                                         \
    X(lifetime)                                                                                                        \
    X(reuse)                                                                                                           \
    X(fairness)                                                                                                        \
    X(concurrency)

// Each runs its group and returns the number of tests that failed.
#define CT_GROUP_DECLARE(name) int ct_group_##name(void);
CT_GROUPS(CT_GROUP_DECLARE)
#undef CT_GROUP_DECLARE

#endif
