// Package schema reads YAML into a tree whose every node knows where it is
// written, and reads typed values out of that tree so that each mistake is
// reported with its place.
//
// Lives here: the only import of a YAML library in the reading of deploy.yml,
// the limits on foreign files, YAML 1.1's habits, merging, the report of
// errors and warnings. May not live here: any key of deploy.yml.
package schema
