/*
 * control.h: the control thread: signals, the monitoring port, lame duck, and the order in which
 * things stop.  It never touches a message.
 */
#ifndef NJ_OPS_CONTROL_H
#define NJ_OPS_CONTROL_H
#include <uv.h>

struct nj_facts;
struct nj_hub;
struct nj_listener;
struct nj_monitor;
struct nj_options;
struct nj_reload;

struct nj_control;

struct nj_control_config {
    uv_loop_t *loop;
    struct nj_hub *hub;
    struct nj_listener *listener; /* of clients */
    struct nj_monitor *monitor;   /* NULL: no monitoring port; ownership goes to the control */
    struct nj_facts *facts;
    const struct nj_options *options; /* of the start: lame duck does not change */
    struct nj_reload *reload;
};

/*
 * Hold back SIGHUP, SIGUSR1 and SIGUSR2 until there is a control to catch them: to a server that
 * is still starting, a log rotation or a reload would be the end.  Main thread, before others are
 * made; these never get to see them.
 */
void nj_control_hold_signals(void);

/* Catch signals from now on, those that were held back too. */
struct nj_control *nj_control_new(const struct nj_control_config *config);

/* Run the loop until the server has stopped: clients gone, monitor closed. */
void nj_control_run(struct nj_control *c);
/* Any thread, while the control lives: stop the server as a signal would. */
void nj_control_stop(struct nj_control *c);
void nj_control_free(struct nj_control **cp);

#endif
