package duckdb

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void few_arenas(void) { mallopt(M_ARENA_MAX, 2); }
#else
static void few_arenas(void) {}
#endif
*/
import "C"

// fewArenas keeps the C library from giving threads heaps of their own, up to
// eight for each processor: what a statement has freed stays in the heap of the
// thread that had it, where no other finds it, and the engine's limit does not
// see it. It holds for the process, and counts from the next new thread on.
func fewArenas() { C.few_arenas() }
