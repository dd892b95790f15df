// Package route tells a host's reverse proxy where traffic goes. One Driver
// serves both proxies that speak kamal-proxy's command line: kamal-proxy itself
// (only through `docker exec kamal-proxy kamal-proxy …`, kamal-proxy 0.9 README)
// and Fairlead's own, which also answers on a socket in the ssh user's home:
// one call in place of an exec, and the whole route in its answers.
//
// Lives here: the driver, the argv, and booting Fairlead's proxy on a host
// without one. May not live here: when to switch; package plan decides.
package route
