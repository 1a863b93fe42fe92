// Streams: contraction → rows → contraction in one kernel, so that what is as large as the product
// of two streamed axes is never stored. Attention is one, with whatever score function; so are its
// gradient, and kernel regression.
//
//   before:  %s = dot_general %q, %k      64x512x512    after:  %kt = transpose %k
//            %m = reduce maximum %s       64x512                %o:3 = call @stream_0(%q, %kt, %v)
//            %e = exponential(%s - %m)    64x512x512            the row statistics %o#1, %o#2 are
//            %l = reduce add %e           64x512                kept, %s and %e are not; the
//            %o = dot_general(%e / %l, %v) 64x512x64            backward is another call that
//                                                               computes them again from those
//
// No pattern is looked for. A reduction of some value is where the search starts: the values of
// that size around it which are made element by element, or by a contraction whose result is larger
// than its operands, are *wide*; what reduces or contracts one of their axes is a *sink*. All wide
// values can be computed again from what is not wide, so the sinks are divided by what has to run
// in between: those that depend on no other sink but within the rows are the first kernel, those
// that wait for values made elsewhere of these are the next (the backward of attention), and each
// kernel computes the wide values it needs. A wide value that something else reads is stored as
// well.
//
// Where no row is waited for, wide values are computed again only if they are made element by
// element of much less, as in additive attention: tanh(q + k) of 4 dimensions is neither stored for
// the product that reads it nor for the gradients, which are one kernel (passes/cross_sums).
//
// A contraction reads one operand along vectors; where that one does not lie so in memory, a
// transposed copy is made, once.
//
// Requires: no composites.  Leaves: calls of kind "stream", which passes/fuse leaves as they are.
#pragma once

#include "ir/graph.h"

namespace kiln {

void stream(Function& function);

}  // namespace kiln
