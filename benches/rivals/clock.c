/* Processor time of this thread in nanoseconds: others on the machine take turns, not time. */
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

/* Waits for a process: its processor time in nanoseconds and the most memory that it had, in bytes. Whether it ended well. */
int wait_for(int process, uint64_t *time, uint64_t *memory)
{
	struct rusage used;
	int status;

	if (wait4(process, &status, 0, &used) != process)
		return 0;
	*time = ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000000 +
		((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
	*memory = (uint64_t)used.ru_maxrss * 1024;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Bytes that the allocator has handed out; 0 where it does not tell. */
uint64_t memory_in_use(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	struct mallinfo2 all = mallinfo2();

	return (uint64_t)all.uordblks + (uint64_t)all.hblkhd;
#else
	return 0;
#endif
}
