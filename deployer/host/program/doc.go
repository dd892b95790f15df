// Package program puts the fairlead program itself on a host, as an image made
// in memory and loaded through the connection, so that no registry is needed.
//
// Lives here: that image and how it comes to a host. May not live here: what
// containers of it do; the reverse proxy is package route's, the door to files
// package host's.
package program
