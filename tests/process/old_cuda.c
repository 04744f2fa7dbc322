// A libcuda.so.1 of long ago: it starts, and lacks what the CUDA backend needs. Built for cuda_library.c.
__attribute__((visibility("default"))) unsigned int cuInit(unsigned int flags);

unsigned int cuInit(unsigned int flags)
{
    return flags;
}
