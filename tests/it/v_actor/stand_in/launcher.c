/* What the stand-in for V's compiler makes: a real program that runs the shell script which hangs on its end. As with V, what it
   prints into a pipe comes at its end (mode B), unless it was compiled to write at once (mode L). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAILER 17
#define LONGEST_ARGUMENT 100000

static void become_shell(char *script, long length) {
    if (length < LONGEST_ARGUMENT) {
        execl("/bin/sh", "sh", "-c", script, (char *)0);
        _exit(127);
    }
    int file = memfd_create("script", 0);
    char path[64];
    if (file < 0 || write(file, script, length) != length) _exit(127);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    execl("/bin/sh", "sh", path, (char *)0);
    _exit(127);
}

static void buffer(char *script, long length) {
    int ends[2], status;
    if (pipe(ends)) _exit(127);
    pid_t child = fork();
    if (child < 0) _exit(127);
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        become_shell(script, length);
    }
    close(ends[1]);
    size_t used = 0, room = 0;
    char *text = 0;
    for (;;) {
        if (used == room && !(text = realloc(text, room = room * 2 + 4096))) _exit(127);
        ssize_t got = read(ends[0], text + used, room - used);
        if (got <= 0) break;
        used += got;
    }
    waitpid(child, &status, 0);
    for (size_t done = 0; done < used;) {
        ssize_t put = write(1, text + done, used - done);
        if (put <= 0) break;
        done += put;
    }
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

int main(void) {
    char trailer[TRAILER + 1] = {0};
    int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t end = lseek(own, 0, SEEK_END) - TRAILER;
    if (own < 0 || pread(own, trailer, TRAILER, end) != TRAILER) return 127;
    char mode = trailer[TRAILER - 1];
    trailer[TRAILER - 1] = 0;
    long length = strtol(trailer, 0, 16);
    char *script = calloc(length + 1, 1);
    if (!script || pread(own, script, length, end - length) != length) return 127;
    close(own);
    if (mode == 'L') become_shell(script, length);
    buffer(script, length);
}
