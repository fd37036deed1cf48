package main

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void arenas(int most) {
	if (getenv("MALLOC_ARENA_MAX") == NULL) mallopt(M_ARENA_MAX, most);
}
#else
static void arenas(int most) { (void)most; }
#endif
*/
import "C"

// arenasMost is how many arenas the C library's allocator may have. It would give
// each of some dozen threads of DuckDB and of Pebble's caches one of its own, and
// each keeps what it once needed: 200 MB in a long load.
const arenasMost = 2

// fewArenas bounds what the C library keeps, unless the operator does by
// MALLOC_ARENA_MAX. It does nothing where that library is not glibc.
func fewArenas() { C.arenas(arenasMost) }
