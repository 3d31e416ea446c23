package kube

import "syscall"

// dieWithParent has the system end the process when the thread that starts it
// ends; so it is to be started from a thread that lives as long as the cluster.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
