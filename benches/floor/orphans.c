/* orphans COUNT SECONDS: makes COUNT orphans that end at once, evenly over SECONDS, with a line before the
   first and behind the last, and waits. A hundredth of a second's worth are made by one child, which ends too: whoever is their init
   gets all of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    long count = atol(argv[1]), batches = atol(argv[2]) * 100, made = 0;
    struct timespec next;
    if (write(1, "ready\n", 6) != 6)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (long batch = 1; batch <= batches; batch++) {
        long many = count * batch / batches - made;
        made += many;
        pid_t child = fork();
        if (child == 0) {
            while (many-- > 0)
                if (vfork() == 0)
                    _exit(0);
            _exit(0);
        }
        if (child < 0 || waitpid(child, NULL, 0) != child)
            return 1;
        next.tv_nsec += 10 * 1000 * 1000;
        if (next.tv_nsec >= 1000 * 1000 * 1000) {
            next.tv_nsec -= 1000 * 1000 * 1000;
            next.tv_sec++;
        }
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
            ;
    }
    if (write(1, "made\n", 5) != 5)
        return 1;
    pause();
    return 0;
}
