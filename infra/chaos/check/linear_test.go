package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"
)

// Whatever is left out of a history, it is decided as if nothing was: here by a model that tries every request that
// may have been done or not at every place.
func TestWhatIsLeftOutDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops := someOrders(t)
		var whole []porcupine.Operation
		for at, op := range ops {
			op.Version = int64(at) // names an order whose id nobody was told
			whole = append(whole, operations([]Op{op})[0])
		}
		want := porcupine.CheckOperations(tryingAll(), whole)
		if got := len(Linearizable(ops, time.Minute)) == 0; got != want {
			t.Errorf("linearizable: %t, want %t: %+v", got, want, ops)
		}
	})
}

// someOrders are a few requests about the orders of one ticket, with any answers. An order is cancelled by who has
// been told its id.
func someOrders(t *rapid.T) []Op {
	var ops, orders []Op
	for i := range rapid.IntRange(1, 8).Draw(t, "requests") {
		call := time.Duration(rapid.IntRange(0, 12).Draw(t, "call"))
		op := Op{Client: i, Kind: Reserve, Ticket: "t"}
		if len(orders) > 0 && rapid.Bool().Draw(t, "cancel") {
			of := rapid.SampledFrom(orders).Draw(t, "of")
			op.Kind, op.Order, op.Status = Cancel, of.Order, rapid.SampledFrom([]int{204, 503}).Draw(t, "status")
			call += of.Return + 1
		} else if op.Status = rapid.SampledFrom([]int{201, 409, 0}).Draw(t, "status"); op.Status == 201 {
			op.Order = fmt.Sprint("o", i)
		}
		op.Call, op.Return = call, call+time.Duration(rapid.IntRange(1, 12).Draw(t, "takes"))
		if op.Kind == Reserve && op.Done() {
			orders = append(orders, op)
		}
		ops = append(ops, op)
	}
	return ops
}

// tryingAll is holderModel for a whole history.
func tryingAll() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, _ any) (bool, any) {
			holder, op := state.(string), input.(Op)
			switch {
			case op.Kind == Reserve && op.Done():
				return holder == "", op.Order
			case op.Kind == Reserve && isHeld(op):
				return holder != "", holder
			case op.Kind == Reserve && holder == "":
				return true, fmt.Sprint("order of request ", op.Version)
			case op.Kind == Cancel && holder == op.Order:
				return true, ""
			}
			return true, holder
		},
	}
}
