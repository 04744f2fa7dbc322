// The queue of variants asked for ahead of time, and its threads. See warmup.h.
// A job is in the queue, then with a thread, and then gone, or a failure that waits to be asked about. Its kernel is
// held until then, so destroying the kernel meanwhile is legal.
#include "kernel/warmup.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef enum job_state {
    JOB_QUEUED = 0,
    JOB_RUNNING = 1,
    JOB_FAILED = 2,
} job_state;

struct fmi_warmup_job {
    fmi_warmup_job *next_in_bucket;
    fmi_warmup_job *next; // in the queue, or among the failures
    uint64_t id;          // the kernel's handle, which never names another
    uint64_t dtypes;
    fmi_kernel_object *object; // held; NULL once it has failed
    job_state state;
    fm_status status;         // of a failure
    fmi_error_state *failure; // what its maker was told; NULL: no host memory for it
};

void fmi_warmup_init(fmi_warmup *warmup, fmi_table *kernels, uint32_t thread_limit)
{
    *warmup = (fmi_warmup){.kernels = kernels, .thread_limit = thread_limit};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&warmup->lock, NULL);
    pthread_cond_init(&warmup->queued, NULL);
    pthread_cond_init(&warmup->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static fmi_warmup_job **bucket_of(fmi_warmup *warmup, uint64_t id, uint64_t dtypes)
{
    uint64_t hash = (id * UINT64_C(0xd6e8feb86659fd93) + dtypes) * UINT64_C(0x9e3779b97f4a7c15);
    return &warmup->buckets[hash >> 56];
}

_Static_assert(FMI_WARMUP_BUCKETS == 256, "eight bits of the hash choose a bucket");

static fmi_warmup_job *find_locked(fmi_warmup *warmup, uint64_t id, uint64_t dtypes)
{
    fmi_warmup_job *job = *bucket_of(warmup, id, dtypes);
    while (job && (job->id != id || job->dtypes != dtypes)) {
        job = job->next_in_bucket;
    }
    return job;
}

// Takes a job that is in no other list out of its bucket and frees it.
static void forget_locked(fmi_warmup *warmup, fmi_warmup_job *job)
{
    fmi_warmup_job **link = bucket_of(warmup, job->id, job->dtypes);
    while (*link != job) {
        link = &(*link)->next_in_bucket;
    }
    *link = job->next_in_bucket;
    free(job->failure);
    free(job);
}

static void forget_oldest_failure_locked(fmi_warmup *warmup)
{
    fmi_warmup_job *oldest = warmup->oldest_failure;
    warmup->oldest_failure = oldest->next;
    if (!oldest->next) {
        warmup->newest_failure = NULL;
    }
    warmup->failure_count--;
    forget_locked(warmup, oldest);
}

static void keep_failure_locked(fmi_warmup *warmup, fmi_warmup_job *job, fm_status status)
{
    job->state = JOB_FAILED;
    job->status = status;
    job->failure = malloc(sizeof *job->failure);
    if (job->failure) {
        fmi_error_save(job->failure);
    }
    job->next = NULL;
    *(warmup->newest_failure ? &warmup->newest_failure->next : &warmup->oldest_failure) = job;
    warmup->newest_failure = job;
    if (++warmup->failure_count > FMI_WARMUP_MOST_FAILURES) {
        forget_oldest_failure_locked(warmup);
    }
}

// Takes a failure out of the list, because it is tried again.
static void withdraw_failure_locked(fmi_warmup *warmup, fmi_warmup_job *job)
{
    fmi_warmup_job *before = NULL;
    for (fmi_warmup_job *f = warmup->oldest_failure; f != job; f = f->next) {
        before = f;
    }
    *(before ? &before->next : &warmup->oldest_failure) = job->next;
    if (warmup->newest_failure == job) {
        warmup->newest_failure = before;
    }
    warmup->failure_count--;
    forget_locked(warmup, job);
}

// Makes the variant of a job, without the lock, and ends the job.
static void run(fmi_warmup *warmup, fmi_warmup_job *job)
{
    fmi_kernel_object *object = job->object;
    fmi_variant *variant;
    fm_status status =
        fmi_kernel_hold_variant(object->kernel, job->dtypes, FMI_NO_SHARE, "fm_kernel_prepare", &variant, NULL);
    if (status == FM_OK) {
        fmi_table_release(&object->kernel->cache->variants, &variant->slot); // the cache keeps it, within its limits
    }
    pthread_mutex_lock(&warmup->lock);
    job->object = NULL;
    if (status == FM_OK) {
        forget_locked(warmup, job);
    } else {
        keep_failure_locked(warmup, job, status);
    }
    pthread_cond_broadcast(&warmup->done);
    pthread_mutex_unlock(&warmup->lock);
    fmi_table_release(warmup->kernels, &object->slot);
}

static fmi_warmup_job *take_first_locked(fmi_warmup *warmup)
{
    fmi_warmup_job *job = warmup->first;
    warmup->first = job->next;
    if (!job->next) {
        warmup->last = NULL;
    }
    warmup->queue_length--;
    job->state = JOB_RUNNING;
    return job;
}

static void *thread_main(void *user)
{
    fmi_warmup *warmup = user;
    pthread_mutex_lock(&warmup->lock);
    while (!warmup->stop) {
        if (!warmup->first) {
            warmup->idle++;
            pthread_cond_wait(&warmup->queued, &warmup->lock);
            warmup->idle--;
            continue;
        }
        fmi_warmup_job *job = take_first_locked(warmup);
        pthread_mutex_unlock(&warmup->lock);
        run(warmup, job);
        pthread_mutex_lock(&warmup->lock);
    }
    pthread_mutex_unlock(&warmup->lock);
    return NULL;
}

// Sees to it that somebody will take the job that was queued last. False: there is no thread, and none to be had.
static bool call_thread_locked(fmi_warmup *warmup)
{
    if (warmup->idle < warmup->queue_length && warmup->thread_count < warmup->thread_limit) {
        pthread_t *thread = &warmup->threads[warmup->thread_count];
        warmup->thread_count += fmi_thread_start(thread, "fm-compile", thread_main, warmup) == 0;
    } else {
        pthread_cond_signal(&warmup->queued);
    }
    return warmup->thread_count > 0;
}

void fmi_warmup_destroy(fmi_warmup *warmup)
{
    pthread_mutex_lock(&warmup->lock);
    warmup->stop = true;
    pthread_cond_broadcast(&warmup->queued);
    pthread_mutex_unlock(&warmup->lock);
    for (uint32_t i = 0; i < warmup->thread_count; i++) {
        pthread_join(warmup->threads[i], NULL);
    }
    // Nobody else is left, so nothing is locked for the rest.
    while (warmup->first) {
        fmi_warmup_job *job = take_first_locked(warmup);
        fmi_table_release(warmup->kernels, &job->object->slot);
        forget_locked(warmup, job);
    }
    while (warmup->oldest_failure) {
        forget_oldest_failure_locked(warmup);
    }
    pthread_cond_destroy(&warmup->queued);
    pthread_cond_destroy(&warmup->done);
    pthread_mutex_destroy(&warmup->lock);
}

// Adds a job to its bucket and the queue, with a hold on its kernel. NULL, with the last error: no host memory, or the
// handle has been destroyed meanwhile.
static fmi_warmup_job *add_locked(fmi_warmup *warmup, uint64_t id, uint64_t dtypes, fm_status *out_status)
{
    fmi_slot *slot;
    fmi_warmup_job *job = calloc(1, sizeof *job);
    *out_status = job ? fmi_table_hold(warmup->kernels, id, &slot)
                      : fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to ask for a kernel variant");
    if (*out_status != FM_OK) {
        free(job);
        return NULL;
    }
    fmi_warmup_job **bucket = bucket_of(warmup, id, dtypes);
    *job = (fmi_warmup_job){.next_in_bucket = *bucket, .id = id, .dtypes = dtypes, .object = (fmi_kernel_object *)slot};
    *bucket = job;
    *(warmup->last ? &warmup->last->next : &warmup->first) = job;
    warmup->last = job;
    warmup->queue_length++;
    return job;
}

fm_status fmi_warmup_ask(fmi_warmup *warmup, fmi_kernel_object *object, uint64_t id, uint64_t dtypes)
{
    if (fmi_kernel_has_variant(object->kernel, dtypes)) {
        return FM_OK;
    }
    pthread_mutex_lock(&warmup->lock);
    fmi_warmup_job *job = find_locked(warmup, id, dtypes);
    if (job && job->state == JOB_FAILED) {
        withdraw_failure_locked(warmup, job);
        job = NULL;
    }
    if (job) {
        pthread_mutex_unlock(&warmup->lock);
        return FM_OK;
    }
    fm_status status;
    job = add_locked(warmup, id, dtypes, &status);
    bool is_called = job && call_thread_locked(warmup);
    if (job && !is_called) { // then it is the only one in the queue
        take_first_locked(warmup);
    }
    pthread_mutex_unlock(&warmup->lock);
    if (job && !is_called) {
        run(warmup, job);
    }
    return status;
}

// What is known of a variant.
static fm_status answer_locked(fmi_warmup *warmup, const fmi_kernel_object *object, uint64_t id, uint64_t dtypes)
{
    const fmi_warmup_job *job = find_locked(warmup, id, dtypes);
    if (fmi_kernel_has_variant(object->kernel, dtypes)) {
        return FM_OK; // also if an earlier attempt has failed
    }
    if (!job) {
        return fmi_fail_of("kernel", object->kernel->name, FM_ERROR_INVALID_ARGUMENT,
                           "this variant was not asked for, or has left the cache since");
    }
    if (job->state != JOB_FAILED) {
        return FM_NOT_READY;
    }
    if (!job->failure) {
        return fmi_answer(job->status);
    }
    fmi_error_restore(job->failure);
    return job->status;
}

fm_status fmi_warmup_poll(fmi_warmup *warmup, const fmi_kernel_object *object, uint64_t id, uint64_t dtypes)
{
    pthread_mutex_lock(&warmup->lock);
    fm_status status = answer_locked(warmup, object, id, dtypes);
    pthread_mutex_unlock(&warmup->lock);
    return status == FM_NOT_READY ? fmi_answer(FM_NOT_READY) : status;
}

fm_status fmi_warmup_wait(fmi_warmup *warmup, const fmi_kernel_object *object, uint64_t id, uint64_t dtypes,
                          uint64_t timeout_ns)
{
    uint64_t deadline = fmi_deadline(timeout_ns);
    const struct timespec until = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    int failed = 0;
    pthread_mutex_lock(&warmup->lock);
    fm_status status;
    while ((status = answer_locked(warmup, object, id, dtypes)) == FM_NOT_READY && failed != ETIMEDOUT) {
        failed = deadline == UINT64_MAX ? pthread_cond_wait(&warmup->done, &warmup->lock)
                                        : pthread_cond_timedwait(&warmup->done, &warmup->lock, &until);
    }
    pthread_mutex_unlock(&warmup->lock);
    if (status == FM_NOT_READY) {
        return fmi_fail_of("kernel", object->kernel->name, FM_TIMEOUT, "%llu ns went by before the variant was made",
                           (unsigned long long)timeout_ns);
    }
    return status;
}
