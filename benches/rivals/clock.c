/* Processor time of this thread in nanoseconds: others on the machine take turns, not time. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

uint64_t processor_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Processor time of all children that have ended, in nanoseconds. */
uint64_t children_time(void)
{
	struct rusage used;

	getrusage(RUSAGE_CHILDREN, &used);
	return ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000000 +
	       ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
}

/*
 * Keeps memory once the process has it: pages that the kernel hands out anew in every round cost more than the work, and are
 * nobody's merit.
 */
void keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
}
