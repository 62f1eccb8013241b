/* The least that a program must do to run another one as a user given by numbers, "uid:gid". */
#define _GNU_SOURCE
#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    char *colon;
    uid_t uid = strtoul(argv[1], &colon, 10);
    gid_t gid = strtoul(colon + 1, NULL, 10);
    if (setgroups(1, &gid) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        return 1;
    execvp(argv[2], argv + 2);
    return 127;
}
