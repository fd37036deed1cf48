package main

// The C library's allocator would give each of some dozen threads of DuckDB and
// of Pebble's caches an arena of its own, and each keeps what it once needed: 150
// MB in a long load. Two are enough for a command; a house that serves keeps them
// all, because visits would wait for each other's memory. It must be said before
// the first other thread asks for memory, so before Go's runtime starts. The
// operator's MALLOC_ARENA_MAX wins; without glibc nothing is said.

/*
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
__attribute__((constructor)) static void few_arenas(int argc, char **argv) {
	int serves = argc > 1 && strcmp(argv[1], "serve") == 0;
	if (!serves && getenv("MALLOC_ARENA_MAX") == NULL) mallopt(M_ARENA_MAX, 2);
}
#endif
*/
import "C"
