// Command servicemain is the smallest HTTP service: the boundary test looks at what the linker keeps of it.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/server/service"
)

func main() {
	c, err := compiler.ReadCircuit(os.Stdin)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := service.New([]service.Model{{Name: "model", Circuit: c}}, service.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Serve(context.Background(), l))
}
