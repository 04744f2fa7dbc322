// volk for the hand-written floors: Debian ships it as source. The library's own copy is private to the library.
// Compiled here, once; warnings in it are not ours.
#pragma GCC diagnostic ignored "-Wconversion"
#include <volk.c>
