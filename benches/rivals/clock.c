/* Processor time of this thread in nanoseconds: others on the machine take turns, not time. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <time.h>

uint64_t processor_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
