package main

// The C library's allocator would give each of some dozen threads of DuckDB and
// of Pebble's caches an arena of its own, and each keeps what it once needed: 200
// MB in a long load. Two are enough. It must be said before the first other thread
// asks for memory, so before Go's runtime starts. The operator's MALLOC_ARENA_MAX
// wins; without glibc nothing is said.

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
__attribute__((constructor)) static void two_arenas(void) {
	if (getenv("MALLOC_ARENA_MAX") == NULL) mallopt(M_ARENA_MAX, 2);
}
#endif
*/
import "C"
