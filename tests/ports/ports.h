// What the ports share: the list of their groups, and the matrix product. The fixture, checks and worker threads are the conformance
// suite's. A port keeps its source's thread and iteration counts; FERMATA_TEST_SCALE changes them only for slow sanitizer runs, and a
// CPU driver multiplies smaller matrices.
#ifndef FERMATA_TESTS_PORTS_PORTS_H
#define FERMATA_TESTS_PORTS_PORTS_H

#include "support.h"
#include "threads.h"

// X(group): one file and one source document each.
#define PORTS_GROUPS(X)                                                                                                \
    X(readback)                                                                                                        \
    X(lifetime)                                                                                                        \
    X(threads)                                                                                                         \
    X(retirement)

// Each runs its group and returns the number of tests that failed.
#define PORTS_DECLARE(name) int ports_group_##name(void);
PORTS_GROUPS(PORTS_DECLARE)
#undef PORTS_DECLARE

// A matrix product of square matrices, c = a b. Small whole numbers, so that every result is exact.
typedef struct ports_product {
    fm_kernel pattern;  // writes a matrix of small whole numbers
    fm_kernel multiply; // c = a b
    uint32_t size;      // rows and columns; a multiple of 64
} ports_product;

// Creates the kernels. `host_function`: the host device multiplies by a function of this program, compiled with optimisation.
ports_product ports_product_create(ct_fixture *fixture, uint32_t size, bool host_function);

// On a worker: makes a and b from the seed, multiplies, reads c back, and checks it against the CPU. False: noted as failed.
bool ports_product_run(ct_worker *worker, const ports_product *product, fm_stream stream, uint32_t seed, float *c);

#endif
