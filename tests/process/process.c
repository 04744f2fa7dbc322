// What the process tests share. See process.h.
#include "process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_S = 60 };

const fm_kernel_info pt_kernel = {
    .name = "number",
    .code = "uint l = local_id.x; barrier(); y[global_id.x] = l + 5u;",
    .params = &(const fm_kernel_param){"y", FM_DTYPE_U32, FM_ACCESS_WRITE},
    .param_count = 1,
};

_Atomic(bool) pt_stop;

const char *pt_device_name(void)
{
    const char *name = getenv("FERMATA_TEST_DEVICE");
    return name ? name : "host";
}

void pt_log_nothing(void *user, const char *message)
{
    (void)user, (void)message;
}

bool pt_open(fm_device **out)
{
    return fm_device_open(pt_device_name(), &(fm_device_info){.log = pt_log_nothing}, out) == FM_OK;
}

static bool commit_one(fm_device *device, fm_stream stream, fm_kernel kernel, fm_buffer buffer, fm_point *out_point)
{
    fm_commands *commands = NULL;
    if (fm_commands_begin(device, NULL, &commands) != FM_OK) return false;
    const fm_binding binding = {.buffer = buffer};
    const fm_dispatch_info info = {
        .kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1};
    return fm_dispatch(commands, &info) == FM_OK &&
           fm_commit(&commands, &(fm_commit_info){.stream = stream}, out_point) == FM_OK;
}

bool pt_run_any(fm_device *device, fm_stream stream, fm_kernel kernel, fm_buffer buffer)
{
    fm_point point;
    return commit_one(device, stream, kernel, buffer, &point) && fm_point_wait(device, point, PT_TIMEOUT_NS) == FM_OK;
}

bool pt_run(fm_device *device, fm_stream stream, fm_kernel kernel, fm_buffer buffer, fm_point *out_point)
{
    fm_point point;
    uint32_t values[64] = {0};
    if (!commit_one(device, stream, kernel, buffer, &point) || fm_point_wait(device, point, PT_TIMEOUT_NS) != FM_OK ||
        fm_buffer_read(device, stream, buffer, 0, sizeof values, values, PT_TIMEOUT_NS) != FM_OK) {
        return false;
    }
    for (uint32_t i = 0; i < 64; i++) {
        if (values[i] != i + 5) return false;
    }
    if (out_point) *out_point = point;
    return true;
}

int pt_in_child(int (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(CHILD_S);
        _exit(body());
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

uint32_t pt_mappings(const char *part)
{
    char line[512];
    uint32_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) count += strstr(line, part) != NULL;
    if (maps) fclose(maps);
    return count;
}

uint32_t pt_take_keys(pthread_key_t *keys)
{
    uint32_t count = 0;
    while (count < PT_MOST_KEYS && pthread_key_create(&keys[count], NULL) == 0) count++;
    return count;
}

void pt_give_keys(const pthread_key_t *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) pthread_key_delete(keys[i]);
}

bool pt_device_is_there(void)
{
    fm_device *device = NULL;
    fm_status status = fm_device_open(pt_device_name(), &(fm_device_info){.log = pt_log_nothing}, &device);
    if (status == FM_ERROR_NO_DEVICE) {
        printf("skipped, there is no device \"%s\": %s\n", pt_device_name(), fm_last_error());
        return false;
    }
    if (status == FM_OK) fm_device_close(&device, PT_TIMEOUT_NS);
    return true;
}
