// Package traefik steers a host's Traefik: one file per service in the folder
// that it reads, and a question through it after each, so that it is known when
// it follows the file. And it is Traefik's container as people start, replace
// and remove it.
//
// Lives here: the files' order, waiting, and the container. May not live here:
// what the files say (deployer/traefik), when to switch (plan).
package traefik
