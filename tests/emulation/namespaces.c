/* Network namespaces and the TUN device in each. See link.c. */
#define _GNU_SOURCE
#include "namespaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE "link0"

void fail(int code, const char *format, ...) {
    int reason = errno;
    va_list rest;
    va_start(rest, format);
    vfprintf(stderr, format, rest);
    va_end(rest);
    fprintf(stderr, ": %s\n", strerror(reason));
    exit(code);
}

static int put(const char *file, const char *text) {
    int f = open(file, O_WRONLY | O_CLOEXEC);
    if (f < 0) return -1;
    ssize_t n = write(f, text, strlen(text));
    close(f);
    return n < 0 ? -1 : 0;
}

void die_with(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) exit(1); /* it ended before */
}

/* Whoever may not make a network namespace makes it inside a user namespace, as the same user. */
int unshare_user(void) {
    char map[64];
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWNET) == 0) return 0;
    if (errno != EPERM) fail(NOT_PERMITTED, "cannot make a network namespace");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) fail(NOT_PERMITTED, "cannot make a user namespace");
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1\n", user, user);
    if (put("/proc/self/uid_map", map)) fail(NOT_PERMITTED, "cannot map the user into its namespace");
    snprintf(map, sizeof map, "%u %u 1\n", group, group);
    if (put("/proc/self/gid_map", map)) fail(NOT_PERMITTED, "cannot map the group into its namespace");
    return 1;
}

static void set_up(int s, const char *name) {
    struct ifreq r = {0};
    strcpy(r.ifr_name, name);
    r.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(s, SIOCSIFFLAGS, &r)) fail(NOT_PERMITTED, "cannot bring up %s", name);
}

static void add_attribute(struct nlmsghdr *head, int type, const void *data, size_t bytes) {
    struct rtattr *end = (struct rtattr *)((char *)head + NLMSG_ALIGN(head->nlmsg_len));
    end->rta_type = (unsigned short)type;
    end->rta_len = (unsigned short)RTA_LENGTH(bytes);
    memcpy(RTA_DATA(end), data, bytes);
    head->nlmsg_len = NLMSG_ALIGN(head->nlmsg_len) + RTA_ALIGN(end->rta_len);
}

/* Send a request to the kernel; 0: done, else errno says why not. */
static int ask_kernel(const struct nlmsghdr *head) {
    struct {
        struct nlmsghdr head;
        struct nlmsgerr told;
        char more[512];
    } answer;
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (s < 0 || send(s, head, head->nlmsg_len, 0) < 0 || recv(s, &answer, sizeof answer, 0) < 0)
        return -1;
    close(s);
    errno = -answer.told.error;
    return errno ? -1 : 0;
}

/* A route to the other host that names the congestion control: sysctl takes none that the host does
 * not allow to all, and a socket option would be each program's own affair. */
static void add_route(const char *control) {
    struct {
        struct nlmsghdr head;
        struct rtmsg route;
        char more[256];
    } ask = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof ask.route),
                      .nlmsg_type = RTM_NEWROUTE,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK},
             .route = {.rtm_family = AF_INET,
                       .rtm_dst_len = 24,
                       .rtm_table = RT_TABLE_MAIN,
                       .rtm_protocol = RTPROT_STATIC,
                       .rtm_scope = RT_SCOPE_LINK,
                       .rtm_type = RTN_UNICAST}};
    unsigned int network = inet_addr("198.18.0.0"), device = if_nametoindex(DEVICE);
    add_attribute(&ask.head, RTA_DST, &network, sizeof network);
    add_attribute(&ask.head, RTA_OIF, &device, sizeof device);
    char nested[64];
    struct rtattr *metric = (struct rtattr *)nested;
    metric->rta_type = RTAX_CC_ALGO;
    metric->rta_len = RTA_LENGTH(strlen(control) + 1);
    if (strlen(control) > 15) fail(1, "control=%s", control);
    strcpy(RTA_DATA(metric), control);
    add_attribute(&ask.head, RTA_METRICS, nested, metric->rta_len);
    if (ask_kernel(&ask.head))
        fail(NOT_PERMITTED, "cannot add a route with the congestion control %s", control);
}

/* How many packets the device holds for us; ioctl does not let a user namespace set it. */
static void set_queue(void) {
    struct {
        struct nlmsghdr head;
        struct ifinfomsg device;
        char more[64];
    } ask = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof ask.device),
                      .nlmsg_type = RTM_SETLINK,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
             .device = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(DEVICE)}};
    unsigned int packets = 10000;
    add_attribute(&ask.head, IFLA_TXQLEN, &packets, sizeof packets);
    if (ask_kernel(&ask.head)) fail(NOT_PERMITTED, "cannot set the queue of the device");
}

/* The TUN device of the present namespace. Without IFF_VNET_HDR the kernel segments before. */
int make_device(const char *host, const char *control) {
    int f = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (f < 0) fail(NOT_PERMITTED, "cannot open /dev/net/tun");
    struct ifreq r = {0};
    strcpy(r.ifr_name, DEVICE);
    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(f, TUNSETIFF, &r)) fail(NOT_PERMITTED, "cannot make a TUN device");
    if (ioctl(f, TUNSETOFFLOAD, 0)) fail(NOT_PERMITTED, "cannot switch offloads off");
    put("/proc/sys/net/ipv6/conf/" DEVICE "/disable_ipv6", "1"); /* may have no IPv6 */
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0) fail(NOT_PERMITTED, "cannot open a socket");
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, DEVICE);
    r.ifr_mtu = MTU;
    if (ioctl(s, SIOCSIFMTU, &r)) fail(NOT_PERMITTED, "cannot set the MTU");
    set_queue();
    struct sockaddr_in *address = (struct sockaddr_in *)&r.ifr_addr;
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = inet_addr(host);
    if (ioctl(s, SIOCSIFADDR, &r)) fail(NOT_PERMITTED, "cannot set the address");
    address->sin_addr.s_addr = inet_addr("255.255.255.255");
    if (ioctl(s, SIOCSIFNETMASK, &r)) fail(NOT_PERMITTED, "cannot set the network");
    /* the host's own settings may differ: those of Linux hold */
    put("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456");
    put("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304");
    set_up(s, "lo");
    set_up(s, DEVICE);
    close(s);
    add_route(control);
    return f;
}

int enter(char **words) {
    pid_t parent = getppid();
    const char *user = words[0], *net = words[1];
    int net_file = open(net, O_RDONLY | O_CLOEXEC);
    if (net_file < 0) fail(1, "cannot open %s", net);
    if (strcmp(user, "-")) {
        int user_file = open(user, O_RDONLY | O_CLOEXEC);
        if (user_file < 0 || setns(user_file, CLONE_NEWUSER)) fail(1, "cannot enter %s", user);
    }
    if (setns(net_file, CLONE_NEWNET)) fail(1, "cannot enter %s", net);
    die_with(parent);
    execvp(words[2], words + 2);
    fail(127, "cannot run %s", words[2]);
    return 127;
}
