// Fibres for barrier(). See fibre.h.
// Work-items run in a ring: each goes on until its next barrier or its end, then switches to its neighbour; the last one closes a
// round. All of a group must end a round at the same place, so a missed barrier shows at the first work-item that differs, and no one
// waits for ever. Fibres are kept from group to group: one that has ended a body begins the next one.
// On x86-64 a switch saves what the calling convention asks for; elsewhere ucontext does, at the price of a system call.
#include "backend/host/fibre.h"

#include "base/barrier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HAVE_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if !defined(__x86_64__) || defined(FMI_FIBRE_PORTABLE)
#define USE_UCONTEXT 1
#include <ucontext.h>
#endif

static const uint32_t ENDED = UINT32_MAX; // the place of a work-item whose body has returned

// Where a fibre, or the thread itself, goes on.
typedef struct context {
#ifdef USE_UCONTEXT
    ucontext_t registers;
#else
    void *stack_pointer; // the saved registers lie there
#endif
#ifdef HAVE_ASAN
    void *fake_stack;   // ASan's, while it does not run
    const void *bottom; // of its stack
    size_t size_bytes;
#endif
#ifdef HAVE_TSAN
    void *fiber; // TSan's
#endif
} context;

typedef struct fibres {
    uint8_t *memory; // stacks, one behind the other, each above a page that nobody may touch
    uint32_t capacity;
    size_t stride_bytes;
    uint32_t stack_bytes; // of each
    context thread;       // who called fmi_fibre_run_group
    context list[FMI_FIBRE_MOST];
    fmi_fibre_item item; // what runs now, and on what
    void *state;
    uint32_t count;
    uint32_t current;
    uint32_t round_place; // where work-item 0 ended this round
    uint32_t other_place; // where the one that differs did
    int outcome;          // of the group, as fmi_fibre_run_group returns it
} fibres;

static _Thread_local fibres *own;
static _Thread_local uint32_t wanted_bytes = FMI_FIBRE_STACK_BYTES;

#ifndef USE_UCONTEXT
// Saves the callee's registers on the stack it leaves, and takes those of the other stack.
void fmi_fibre_switch(void **save, void *to) __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".p2align 4\n"
        ".globl fmi_fibre_switch\n"
        ".hidden fmi_fibre_switch\n"
        ".type fmi_fibre_switch, @function\n"
        "fmi_fibre_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fmi_fibre_switch, . - fmi_fibre_switch\n");
#endif

static void switch_to(context *from, context *to)
{
#ifdef HAVE_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size_bytes);
#endif
#ifdef HAVE_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
#ifdef USE_UCONTEXT
    swapcontext(&from->registers, &to->registers);
#else
    fmi_fibre_switch(&from->stack_pointer, to->stack_pointer);
#endif
#ifdef HAVE_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

// The end of a round for the running work-item, at a barrier or behind its body.
static void leave(fibres *all, uint32_t place)
{
    uint32_t here = all->current;
    if (here == 0) {
        all->round_place = place;
    } else if (place != all->round_place) {
        all->other_place = place;
        all->outcome = 1;
        switch_to(&all->list[here], &all->thread); // nobody comes back here
    }
    if (here + 1 < all->count) {
        all->current = here + 1;
    } else if (place == ENDED) {
        switch_to(&all->list[here], &all->thread);
        return;
    } else {
        all->current = 0;
    }
    if (all->current != here) {
        switch_to(&all->list[here], &all->list[all->current]);
    }
}

void fmi_fibre_barrier(uint32_t place)
{
    leave(own, place);
}

// The life of a fibre: one body after the other.
static void live(void)
{
    fibres *all = own;
#ifdef HAVE_ASAN
    context *here = &all->list[all->current];
    const void *bottom = NULL;
    size_t size_bytes = 0;
    __sanitizer_finish_switch_fiber(here->fake_stack, &bottom, &size_bytes);
    if (all->current == 0) { // the thread itself came here
        all->thread.bottom = bottom;
        all->thread.size_bytes = size_bytes;
    }
#endif
    for (;;) {
        all->item(all->state, all->current);
        leave(all, ENDED);
    }
}

// Gives fibre `index` an empty stack on which it begins in `live`.
static void begin(fibres *all, uint32_t index)
{
    context *fibre = &all->list[index];
    uint8_t *bottom = all->memory + index * all->stride_bytes + (all->stride_bytes - all->stack_bytes);
    // Stacks that begin at the same place of their pages would share a few lines of the cache.
    size_t size_bytes = all->stack_bytes - index * 576 % 4096;
#ifdef HAVE_ASAN
    *fibre = (context){.bottom = bottom, .size_bytes = size_bytes};
#endif
#ifdef HAVE_TSAN
    fibre->fiber = __tsan_create_fiber(0);
#endif
#ifdef USE_UCONTEXT
    getcontext(&fibre->registers);
    fibre->registers.uc_stack.ss_sp = bottom;
    fibre->registers.uc_stack.ss_size = size_bytes;
    fibre->registers.uc_link = NULL;
    makecontext(&fibre->registers, live, 0);
#else
    // Six registers, the return address, and a zero in place of a caller: on entry the stack is 8 off 16, as after a call.
    void **top = (void **)(void *)(bottom + size_bytes - 64);
    memset(top, 0, 64);
    void (*entry)(void) = live;
    memcpy(&top[6], &entry, sizeof entry);
    fibre->stack_pointer = top;
#endif
}

void fmi_fibres_free(void)
{
    fibres *all = own;
    if (!all) {
        return;
    }
#ifdef HAVE_TSAN
    for (uint32_t i = 0; i < all->capacity; i++) {
        __tsan_destroy_fiber(all->list[i].fiber);
    }
#endif
    if (all->memory) {
#ifdef HAVE_ASAN
        ASAN_UNPOISON_MEMORY_REGION(all->memory, all->capacity * all->stride_bytes);
#endif
        munmap(all->memory, all->capacity * all->stride_bytes);
    }
    free(all);
    own = NULL;
}

void fmi_fibres_want(uint32_t stack_bytes)
{
    wanted_bytes = stack_bytes;
}

// The calling thread's fibres, `count` of them or more, with stacks as large as wanted or larger; NULL without memory.
static fibres *get_fibres(uint32_t count)
{
    if (own && own->capacity >= count && own->stack_bytes >= wanted_bytes) {
        return own;
    }
    uint32_t stack_bytes = wanted_bytes;
    if (own) { // what took turns before goes on without being made anew
        stack_bytes = own->stack_bytes > stack_bytes ? own->stack_bytes : stack_bytes;
        count = own->capacity > count ? own->capacity : count;
    }
    fmi_fibres_free();
    fibres *all = calloc(1, sizeof *all);
    if (!all) {
        return NULL;
    }
    own = all;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    all->stack_bytes = stack_bytes;
    all->stride_bytes = stack_bytes + page_bytes;
    void *memory = mmap(NULL, count * all->stride_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        fmi_fibres_free();
        return NULL;
    }
    all->memory = memory;
    all->capacity = count;
    for (uint32_t i = 0; i < count; i++) {
        // Where the system has no more mappings a stack has no guard: stacks are as large as the frames of all functions that a kernel has.
        (void)mprotect(all->memory + i * all->stride_bytes, page_bytes, PROT_NONE);
        begin(all, i);
    }
    return all;
}

int fmi_fibre_run_group(fmi_fibre_item item, void *state, uint32_t count)
{
    fibres *all = get_fibres(count);
    if (!all) {
        return 2;
    }
    all->item = item;
    all->state = state;
    all->count = count;
    all->current = 0;
    all->outcome = 0;
#ifdef HAVE_TSAN
    all->thread.fiber = __tsan_get_current_fiber();
#endif
    switch_to(&all->thread, &all->list[0]);
    if (all->outcome != 0) {
        // Some stand in the middle of their bodies, with nothing to clean up there: the stacks are begun anew.
#ifdef HAVE_ASAN
        ASAN_UNPOISON_MEMORY_REGION(all->memory, all->capacity * all->stride_bytes);
#endif
        for (uint32_t i = 0; i < all->capacity; i++) {
#ifdef HAVE_TSAN
            __tsan_destroy_fiber(all->list[i].fiber);
#endif
            begin(all, i);
        }
    }
    return all->outcome;
}

static void describe(uint32_t place, char *text, size_t size)
{
    if (place == ENDED) {
        snprintf(text, size, "has ended");
    } else {
        snprintf(text, size, "waits at barrier() in %sline %u, column %u",
                 place & FMI_BARRIER_IN_HEADER ? "header " : "", FMI_BARRIER_LINE(place), FMI_BARRIER_COLUMN(place));
    }
}

void fmi_fibre_explain(char *text, size_t size)
{
    if (!own || own->outcome == 0) {
        snprintf(text, size, "no host memory for the stacks of its work-items");
        return;
    }
    char first[80];
    char other[80];
    describe(own->round_place, first, sizeof first);
    describe(own->other_place, other, sizeof other);
    snprintf(text, size,
             "work-item 0 %s, but work-item %u %s: every work-item of a workgroup must come to the same barrier()",
             first, own->current, other);
}
