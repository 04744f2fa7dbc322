// Sections and forks: a fork waits for the sections of other threads, for a while, and the child knows what it may use.
#include "base/process.h"
#include "base/shell.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <fermata/status.h>

// Forks; what `body` answers in the child, or -1.
static int in_child(int (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(body());
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static uint32_t generation; // of the parent

static int check_sound(void)
{
    fmi_process_enter();
    fmi_process_leave();
    return fmi_process_check("test") == FM_OK && fmi_process_generation() == generation + 1 ? 0 : 1;
}

static void process_child_of_a_quiet_parent_is_sound(void **state)
{
    (void)state;
    generation = fmi_process_generation();
    assert_int_equal(fmi_process_check("test"), FM_OK);
    assert_int_equal(in_child(check_sound), 0);
    assert_int_equal(fmi_process_generation(), generation);
}

// The thread that forks is in the child, too, and ends its section there.
static int leave_and_check(void)
{
    fmi_process_leave();
    return check_sound();
}

static void process_fork_within_a_section_does_not_wait_for_itself(void **state)
{
    (void)state;
    generation = fmi_process_generation();
    fmi_process_enter();
    fmi_process_enter(); // sections nest
    fmi_process_leave();
    assert_int_equal(in_child(leave_and_check), 0);
    fmi_process_leave();
    assert_int_equal(in_child(check_sound), 0);
}

// What sections keep equal.
static _Atomic(uint32_t) left, right;
static _Atomic(bool) stop;

static void *change(void *unused)
{
    while (!atomic_load(&stop)) {
        fmi_process_enter();
        atomic_fetch_add(&left, 1);
        usleep(200);
        atomic_fetch_add(&right, 1);
        fmi_process_leave();
    }
    return unused;
}

static int compare(void)
{
    return atomic_load(&left) == atomic_load(&right) ? check_sound() : 1;
}

static void process_fork_cuts_no_section_in_two(void **state)
{
    (void)state;
    pthread_t thread;
    generation = fmi_process_generation();
    assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
    uint32_t wrong = 0;
    for (int i = 0; i < 50; i++) {
        wrong += in_child(compare) != 0;
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(wrong, 0);
}

static pthread_barrier_t meet;

static void *stay(void *unused)
{
    fmi_process_enter();
    pthread_barrier_wait(&meet); // in
    pthread_barrier_wait(&meet); // forked
    fmi_process_leave();
    return unused;
}

static int check_cut(void)
{
    return fmi_process_check("test") == FM_ERROR_LOST_IN_FORK ? 0 : 1;
}

// A child of such a child has no more of it.
static int check_cut_twice(void)
{
    return check_cut() ? 1 : in_child(check_cut);
}

static void process_fork_does_not_wait_for_ever(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_barrier_init(&meet, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, stay, NULL), 0);
    pthread_barrier_wait(&meet);
    assert_int_equal(in_child(check_cut_twice), 0);
    assert_int_equal(fmi_process_check("test"), FM_OK);
    pthread_barrier_wait(&meet);
    pthread_join(thread, NULL);
    generation = fmi_process_generation();
    assert_int_equal(in_child(check_sound), 0);
    pthread_barrier_destroy(&meet);
}

// As both kinds of shells begin.
typedef struct shell {
    _Atomic(uint32_t) state;
    uint32_t rest;
} shell;

static shell *used, *closed;

static int look_at_shells(void)
{
    return atomic_load(&used->state) == FMI_SHELL_LOST && atomic_load(&closed->state) == FMI_SHELL_CLOSED ? 0 : 1;
}

static void process_child_finds_shells_in_use_lost(void **state)
{
    (void)state;
    used = fmi_shell_take(FMI_SHELL_DEVICE, sizeof *used);
    closed = fmi_shell_take(FMI_SHELL_DEVICE, sizeof *closed);
    assert_non_null(used);
    assert_non_null(closed);
    atomic_store(&used->state, 1);
    assert_int_equal(in_child(look_at_shells), 0);
    assert_int_equal(atomic_load(&used->state), 1);
    atomic_store(&used->state, FMI_SHELL_CLOSED);
    fmi_shell_give(FMI_SHELL_DEVICE, used);
    fmi_shell_give(FMI_SHELL_DEVICE, closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_child_of_a_quiet_parent_is_sound),
        cmocka_unit_test(process_fork_within_a_section_does_not_wait_for_itself),
        cmocka_unit_test(process_fork_cuts_no_section_in_two),
        cmocka_unit_test(process_fork_does_not_wait_for_ever),
        cmocka_unit_test(process_child_finds_shells_in_use_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
