/* What su-exec asks of the C library and the kernel for "user:group", written anew: the user is looked up
   also when it is a number, because HOME follows it. */
#define _GNU_SOURCE
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    char *user = argv[1], *group = strchr(user, ':'), *rest;
    if (!group)
        return 1;
    *group++ = 0;

    uid_t uid = strtol(user, &rest, 10);
    struct passwd *account = *rest ? getpwnam(user) : getpwuid(uid);
    if (account)
        uid = account->pw_uid;
    else if (*rest)
        return 1;

    gid_t gid = strtol(group, &rest, 10);
    if (*rest) {
        struct group *known = getgrnam(group);
        if (!known)
            return 1;
        gid = known->gr_gid;
    }

    setenv("HOME", account ? account->pw_dir : "/", 1);
    if (setgroups(1, &gid) || setgid(gid) || setuid(uid))
        return 1;
    execvp(argv[2], argv + 2);
    return 127;
}
