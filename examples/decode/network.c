// What all sequences share: weights and kernels. See forward.h.
#include "forward.h"

bool network_create(fm_device *device, const model *m, bool quantised, network *out, failure *f)
{
    *out = (network){.device = device, .model = m, .quantised = quantised};
    fm_device_properties properties;
    fm_status status = fm_device_get_properties(device, &properties);
    if (status != FM_OK) {
        return failure_set_from_library(f, status, "cannot describe the device");
    }
    if (quantised && !(properties.dtype_mask & (1u << FM_DTYPE_I8))) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "--kv q8 needs 8-bit buffers, which device '%s' does not have",
                           properties.name);
    }
    bool even = m->dim % 2 == 0 && m->hidden_dim % 2 == 0;
    status = kernels_create(device, kernels_choose_tiling(&properties, even), quantised, &out->kernels);
    if (status != FM_OK) {
        return failure_set_from_library(f, status, "cannot create the kernels");
    }
    return weights_create(device, m, &out->weights, f);
}

void network_destroy(network *net)
{
    if (net->device) {
        weights_destroy(net->device, &net->weights);
        kernels_destroy(net->device, &net->kernels);
    }
    *net = (network){0};
}
