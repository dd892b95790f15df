// Package policy says whether a deploy.yml asks for more of the servers than
// the operator granted in fairlead.yml. Whoever may push to the repository
// writes deploy.yml; only the operator writes the policy.
//
// A file is judged by what its containers could do, not by how it is written:
// options become a container.Spec, as they do when containers are made, and
// the Spec is looked at. So a short and a long form of an option are one.
//
// Lives here: the policy, the powers of a container, and the words of a
// refusal. May not live here: I/O (a folder is known by its path alone: that a
// listed folder is no symbolic link is for the servers' owner to see to), and
// the reading of fairlead.yml or deploy.yml.
package policy
