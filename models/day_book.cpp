// The day book of a harbour, composed for kiln from a few dozen patterns of sentences: captains
// belong to boats, days follow each other, and a week ends on a Sunday, so that there is more to
// learn than which letter follows which.
#include "models/text_data.h"

namespace kiln {

const std::string_view kDayBook = R"(Monday. Wind from the north-east, and a clear sky.
The flag was raised ten times for the Magpie.
She lay off the bar until Walter saw the light.
Tuesday. Wind from the west, and fog until noon.
The flag was raised three times for the Lantern.
She lay off the bar until Bridget saw the light.
Wednesday. Wind from the north, and snow on the quay.
The Lantern went out to the north with paper.
The Swallow stayed, since Agnes was waiting for rope.
Thursday. Wind from the west, and a hard frost.
No boat came in. The harbour master painted the north door.
Friday. Wind from the north-east, and a thin moon.
The Swallow and the Otter came in together.
Agnes had seven hands aboard, Tomas had five.
The keeper of the light painted the north door, and the carpenter helped.
Saturday. Wind from the south, and a warm haze.
The Heron came in with salt and seed corn.
Her captain, Marta, paid for eight nights.
Sunday. Wind from the south-west, and thunder after supper.
The Otter came in with wool and lamp oil.
Her captain, Tomas, paid for three nights.
So the week ends: three boats in, four boats out.

Monday. Wind from the north, and a clear sky.
The horn blew nine times for the Otter.
She lay off the bar until Tomas saw the light.
Eight gulls sat on the crane all day.
Tuesday. Wind from the north, and snow on the quay.
The Plover went out to the north with wool.
The Kestrel stayed, since Olaf was waiting for glass.
The keeper of the light counted the anchors, and the harbour master helped.
Wednesday. Wind from the east, and snow on the quay.
The horn blew three times for the Thistle.
She lay off the bar until Henrik saw the light.
Four geese sat on the crane all day.
Thursday. Wind from the west, and snow on the quay.
The horn blew four times for the Lantern.
She lay off the bar until Bridget saw the light.
Friday. Wind from the south-west, and a heavy swell.
The Lantern came in with paper and oak planks.
Her captain, Bridget, paid for eight nights.
Six cormorants sat on the crane all day.
Saturday. Wind from the north-east, and rain all morning.
The Swallow went out to the north-east with seed corn.
The Otter stayed, since Tomas was waiting for wool.
The keeper of the light asked the baker for ten measures of lamp oil.
Sunday. Wind from the south, and thunder after supper.
The horn blew four times for the Plover.
She lay off the bar until Ines saw the light.
The baker cut new pegs, and the carpenter helped.
So the week ends: two boats in, nine boats out.

Monday. Wind from the east, and hail before dawn.
The Thistle came in with salt and sacks of flour.
Her captain, Henrik, paid for twelve nights.
Tuesday. Wind from the north, and fog until noon.
The Thistle went out to the north with rope.
The Kestrel stayed, since Olaf was waiting for seed corn.
Wednesday. Wind from the north, and fog until noon.
No boat came in. The harbour master patched the roof.
Thursday. Wind from the north, and rain all morning.
The Plover and the Swallow came in together.
Ines had three hands aboard, Agnes had twelve.
Friday. Wind from the south-west, and hail before dawn.
The bell rang nine times for the Thistle.
She lay off the bar until Henrik saw the light.
Saturday. Wind from the north-east, and rain all morning.
No boat came in. The widow at the inn oiled the crane.
Sunday. Wind from the south, and a clear sky.
The Thistle and the Lantern came in together.
Henrik had five hands aboard, Bridget had ten.
So the week ends: nine boats in, nine boats out.

Monday. Wind from the west, and snow on the quay.
The Otter went out to the west with iron nails.
The Lantern stayed, since Bridget was waiting for wool.
The schoolteacher counted the anchors, and the keeper of the light helped.
Tuesday. Wind from the south, and snow on the quay.
No boat came in. The ferryman sounded the channel.
Wednesday. Wind from the north-east, and a hard frost.
The bell rang three times for the Thistle.
She lay off the bar until Henrik saw the light.
Thursday. Wind from the east, and a clear sky.
No boat came in. The widow at the inn swept the long shed.
The sailmaker counted the anchors, and the keeper of the light helped.
Friday. Wind from the south-west, and a clear sky.
The Thistle came in with oak planks and sacks of flour.
Her captain, Henrik, paid for nine nights.
Saturday. Wind from the south, and a thin moon.
The horn blew ten times for the Heron.
She lay off the bar until Marta saw the light.
Four crows sat on the crane all day.
Sunday. Wind from the north, and thunder after supper.
No boat came in. The schoolteacher swept the long shed.
The keeper of the light asked the widow at the inn for twelve measures of lamp oil.
So the week ends: six boats in, two boats out.

Monday. Wind from the north, and a warm haze.
The Thistle and the Swallow came in together.
Henrik had seven hands aboard, Agnes had ten.
Tuesday. Wind from the north, and thunder after supper.
The Heron went out to the north with bricks.
The Kestrel stayed, since Olaf was waiting for salt.
Wednesday. Wind from the north-east, and a thin moon.
The drum was beaten five times for the Magpie.
She lay off the bar until Walter saw the light.
Thursday. Wind from the north-east, and a heavy swell.
The Lantern went out to the north-east with paper.
The Swallow stayed, since Agnes was waiting for wool.
In the evening the baker oiled the crane.
Friday. Wind from the north, and fog until noon.
The bell rang twelve times for the Plover.
She lay off the bar until Ines saw the light.
Saturday. Wind from the north-east, and rain all morning.
The flag was raised three times for the Plover.
She lay off the bar until Ines saw the light.
The ferryman asked the baker for three measures of lamp oil.
Sunday. Wind from the west, and a warm haze.
The bell rang three times for the Plover.
She lay off the bar until Ines saw the light.
So the week ends: four boats in, two boats out.

Monday. Wind from the south, and thunder after supper.
The Heron went out to the south with oak planks.
The Kestrel stayed, since Olaf was waiting for salt.
Tuesday. Wind from the south-west, and snow on the quay.
The flag was raised ten times for the Kestrel.
She lay off the bar until Olaf saw the light.
In the evening the ferryman patched the roof.
Wednesday. Wind from the south, and snow on the quay.
The Otter and the Swallow came in together.
Tomas had twelve hands aboard, Agnes had four.
Thursday. Wind from the east, and a clear sky.
The Thistle went out to the east with oak planks.
The Swallow stayed, since Agnes was waiting for sacks of flour.
In the evening the keeper of the light painted the north door.
Friday. Wind from the south-west, and a heavy swell.
The Otter and the Magpie came in together.
Tomas had three hands aboard, Walter had five.
Saturday. Wind from the south-west, and snow on the quay.
The Thistle came in with paper and iron nails.
Her captain, Henrik, paid for seven nights.
Sunday. Wind from the north-east, and a clear sky.
The Heron went out to the north-east with glass.
The Magpie stayed, since Walter was waiting for paper.
The carpenter counted the anchors, and the keeper of the light helped.
So the week ends: four boats in, nine boats out.

Monday. Wind from the north, and a thin moon.
The Kestrel and the Plover came in together.
Olaf had nine hands aboard, Ines had eight.
Four crows sat on the crane all day.
Tuesday. Wind from the east, and rain all morning.
The bell rang twelve times for the Thistle.
She lay off the bar until Henrik saw the light.
The keeper of the light asked the ferryman for twelve measures of lamp oil.
Wednesday. Wind from the north, and thunder after supper.
The drum was beaten eight times for the Swallow.
She lay off the bar until Agnes saw the light.
Thursday. Wind from the south, and a hard frost.
No boat came in. The keeper of the light mended the pump.
Friday. Wind from the east, and a warm haze.
The horn blew seven times for the Heron.
She lay off the bar until Marta saw the light.
Saturday. Wind from the west, and a heavy swell.
The Plover came in with iron nails and oak planks.
Her captain, Ines, paid for three nights.
The keeper of the light swept the long shed, and the schoolteacher helped.
Sunday. Wind from the west, and a hard frost.
The Otter and the Thistle came in together.
Tomas had six hands aboard, Henrik had twelve.
So the week ends: ten boats in, eight boats out.

Monday. Wind from the west, and a warm haze.
The Kestrel went out to the west with iron nails.
The Thistle stayed, since Henrik was waiting for rope.
The baker trimmed the lamp, and the ferryman helped.
Tuesday. Wind from the west, and thunder after supper.
The drum was beaten eight times for the Plover.
She lay off the bar until Ines saw the light.
Wednesday. Wind from the east, and snow on the quay.
The bell rang two times for the Swallow.
She lay off the bar until Agnes saw the light.
Thursday. Wind from the south-west, and fog until noon.
The drum was beaten seven times for the Plover.
She lay off the bar until Ines saw the light.
The carpenter trimmed the lamp, and the widow at the inn helped.
Friday. Wind from the south, and hail before dawn.
The Magpie came in with glass and rope.
Her captain, Walter, paid for two nights.
Three terns sat on the crane all day.
Saturday. Wind from the west, and thunder after supper.
The horn blew six times for the Lantern.
She lay off the bar until Bridget saw the light.
Sunday. Wind from the west, and a heavy swell.
The Lantern and the Kestrel came in together.
Bridget had six hands aboard, Olaf had ten.
In the evening the carpenter swept the long shed.
So the week ends: two boats in, two boats out.

Monday. Wind from the east, and rain all morning.
The Heron went out to the east with bricks.
The Lantern stayed, since Bridget was waiting for salt.
Tuesday. Wind from the north, and thunder after supper.
No boat came in. The widow at the inn cut new pegs.
In the evening the schoolteacher painted the north door.
Wednesday. Wind from the south-west, and a clear sky.
The drum was beaten four times for the Magpie.
She lay off the bar until Walter saw the light.
The baker asked the carpenter for four measures of lamp oil.
Thursday. Wind from the north, and hail before dawn.
The Kestrel and the Swallow came in together.
Olaf had twelve hands aboard, Agnes had nine.
Friday. Wind from the east, and a hard frost.
No boat came in. The schoolteacher oiled the crane.
Saturday. Wind from the south-west, and thunder after supper.
No boat came in. The sailmaker trimmed the lamp.
Sunday. Wind from the east, and rain all morning.
The Swallow and the Otter came in together.
Agnes had ten hands aboard, Tomas had five.
So the week ends: two boats in, seven boats out.

Monday. Wind from the west, and a thin moon.
The Plover went out to the west with oak planks.
The Swallow stayed, since Agnes was waiting for glass.
Tuesday. Wind from the north, and a thin moon.
The Lantern came in with seed corn and wool.
Her captain, Bridget, paid for two nights.
Wednesday. Wind from the south-west, and a hard frost.
The bell rang twelve times for the Swallow.
She lay off the bar until Agnes saw the light.
In the evening the sailmaker cut new pegs.
Thursday. Wind from the south-west, and a thin moon.
The Kestrel and the Thistle came in together.
Olaf had five hands aboard, Henrik had nine.
Friday. Wind from the east, and hail before dawn.
The bell rang four times for the Plover.
She lay off the bar until Ines saw the light.
Saturday. Wind from the south-west, and hail before dawn.
The bell rang eight times for the Heron.
She lay off the bar until Marta saw the light.
Sunday. Wind from the north, and a clear sky.
No boat came in. The baker cut new pegs.
The ferryman asked the sailmaker for four measures of lamp oil.
So the week ends: three boats in, six boats out.

Monday. Wind from the south, and fog until noon.
The Lantern and the Plover came in together.
Bridget had two hands aboard, Ines had nine.
Five geese sat on the crane all day.
Tuesday. Wind from the south, and a thin moon.
The flag was raised four times for the Otter.
She lay off the bar until Tomas saw the light.
Wednesday. Wind from the east, and snow on the quay.
No boat came in. The harbour master swept the long shed.
Thursday. Wind from the north-east, and hail before dawn.
The Plover and the Swallow came in together.
Ines had five hands aboard, Agnes had two.
Friday. Wind from the west, and thunder after supper.
The Otter went out to the west with glass.
The Thistle stayed, since Henrik was waiting for barrels of herring.
The baker patched the roof, and the schoolteacher helped.
Saturday. Wind from the south, and rain all morning.
The Lantern and the Swallow came in together.
Bridget had four hands aboard, Agnes had twelve.
The keeper of the light asked the carpenter for four measures of lamp oil.
Sunday. Wind from the south, and snow on the quay.
The Heron came in with bricks and oak planks.
Her captain, Marta, paid for three nights.
So the week ends: ten boats in, nine boats out.

Monday. Wind from the east, and a thin moon.
The Lantern and the Plover came in together.
Bridget had eight hands aboard, Ines had three.
Tuesday. Wind from the north, and hail before dawn.
The Kestrel came in with iron nails and barrels of herring.
Her captain, Olaf, paid for three nights.
Wednesday. Wind from the west, and a heavy swell.
The Heron came in with sacks of flour and seed corn.
Her captain, Marta, paid for five nights.
Thursday. Wind from the south-west, and a warm haze.
The drum was beaten four times for the Heron.
She lay off the bar until Marta saw the light.
Friday. Wind from the south-west, and a warm haze.
The Plover came in with rope and wool.
Her captain, Ines, paid for five nights.
The sailmaker trimmed the lamp, and the widow at the inn helped.
Saturday. Wind from the north-east, and snow on the quay.
No boat came in. The harbour master trimmed the lamp.
Sunday. Wind from the south, and a warm haze.
The Kestrel came in with salt and barrels of herring.
Her captain, Olaf, paid for three nights.
Four crows sat on the crane all day.
So the week ends: seven boats in, eight boats out.

Monday. Wind from the west, and fog until noon.
The Heron and the Thistle came in together.
Marta had five hands aboard, Henrik had ten.
In the evening the schoolteacher painted the north door.
Tuesday. Wind from the east, and a thin moon.
The Thistle and the Plover came in together.
Henrik had four hands aboard, Ines had six.
Wednesday. Wind from the north-east, and a thin moon.
The Thistle went out to the north-east with paper.
The Swallow stayed, since Agnes was waiting for barrels of herring.
Thursday. Wind from the south-west, and hail before dawn.
The flag was raised four times for the Heron.
She lay off the bar until Marta saw the light.
Friday. Wind from the east, and a clear sky.
The Thistle went out to the east with wool.
The Heron stayed, since Marta was waiting for seed corn.
Saturday. Wind from the east, and rain all morning.
The Kestrel came in with barrels of herring and lamp oil.
Her captain, Olaf, paid for twelve nights.
The schoolteacher patched the roof, and the keeper of the light helped.
Sunday. Wind from the west, and a warm haze.
The bell rang four times for the Magpie.
She lay off the bar until Walter saw the light.
The ferryman mended the pump, and the carpenter helped.
So the week ends: twelve boats in, eight boats out.

Monday. Wind from the north-east, and fog until noon.
The Lantern came in with barrels of herring and wool.
Her captain, Bridget, paid for five nights.
Tuesday. Wind from the west, and a warm haze.
The flag was raised nine times for the Lantern.
She lay off the bar until Bridget saw the light.
Wednesday. Wind from the south-west, and a thin moon.
The Magpie and the Otter came in together.
Walter had three hands aboard, Tomas had twelve.
Thursday. Wind from the north, and a warm haze.
The drum was beaten six times for the Plover.
She lay off the bar until Ines saw the light.
Friday. Wind from the north, and a thin moon.
No boat came in. The harbour master trimmed the lamp.
Saturday. Wind from the east, and thunder after supper.
The flag was raised five times for the Otter.
She lay off the bar until Tomas saw the light.
Sunday. Wind from the south-west, and rain all morning.
The Lantern came in with sacks of flour and bricks.
Her captain, Bridget, paid for twelve nights.
So the week ends: four boats in, three boats out.

Monday. Wind from the east, and a clear sky.
The Magpie came in with oak planks and wool.
Her captain, Walter, paid for two nights.
In the evening the widow at the inn wrote to the council.
Tuesday. Wind from the north, and hail before dawn.
The Heron went out to the north with seed corn.
The Lantern stayed, since Bridget was waiting for lamp oil.
Wednesday. Wind from the south, and thunder after supper.
No boat came in. The harbour master counted the anchors.
Thursday. Wind from the south-west, and a hard frost.
The Otter and the Swallow came in together.
Tomas had two hands aboard, Agnes had three.
Friday. Wind from the west, and a warm haze.
The Swallow came in with sacks of flour and barrels of herring.
Her captain, Agnes, paid for seven nights.
The sailmaker asked the harbour master for seven measures of lamp oil.
Saturday. Wind from the south-west, and snow on the quay.
The Swallow and the Lantern came in together.
Agnes had twelve hands aboard, Bridget had ten.
Sunday. Wind from the south, and rain all morning.
No boat came in. The keeper of the light sounded the channel.
So the week ends: two boats in, twelve boats out.

Monday. Wind from the east, and a hard frost.
The Swallow went out to the east with bricks.
The Magpie stayed, since Walter was waiting for glass.
The sailmaker sounded the channel, and the schoolteacher helped.
Tuesday. Wind from the north-east, and a clear sky.
The Magpie came in with bricks and salt.
Her captain, Walter, paid for nine nights.
Wednesday. Wind from the south-west, and a thin moon.
The horn blew ten times for the Thistle.
She lay off the bar until Henrik saw the light.
Thursday. Wind from the north-east, and a hard frost.
The Lantern went out to the north-east with bricks.
The Heron stayed, since Marta was waiting for oak planks.
The carpenter patched the roof, and the ferryman helped.
Friday. Wind from the south-west, and thunder after supper.
The Otter went out to the south-west with salt.
The Swallow stayed, since Agnes was waiting for glass.
Saturday. Wind from the west, and rain all morning.
The Magpie came in with paper and seed corn.
Her captain, Walter, paid for six nights.
Sunday. Wind from the south, and thunder after supper.
The drum was beaten eight times for the Otter.
She lay off the bar until Tomas saw the light.
So the week ends: nine boats in, three boats out.

Monday. Wind from the east, and fog until noon.
The Lantern and the Otter came in together.
Bridget had nine hands aboard, Tomas had twelve.
In the evening the schoolteacher mended the pump.
Tuesday. Wind from the west, and a warm haze.
The horn blew two times for the Lantern.
She lay off the bar until Bridget saw the light.
In the evening the sailmaker painted the north door.
Wednesday. Wind from the north, and rain all morning.
The Swallow went out to the north with paper.
The Lantern stayed, since Bridget was waiting for oak planks.
The schoolteacher swept the long shed, and the sailmaker helped.
Thursday. Wind from the south-west, and snow on the quay.
No boat came in. The ferryman mended the pump.
In the evening the schoolteacher sounded the channel.
Friday. Wind from the north-east, and hail before dawn.
The Plover went out to the north-east with seed corn.
The Kestrel stayed, since Olaf was waiting for wool.
Saturday. Wind from the west, and thunder after supper.
The Otter and the Swallow came in together.
Tomas had two hands aboard, Agnes had six.
Sunday. Wind from the east, and a hard frost.
The Lantern came in with paper and bricks.
Her captain, Bridget, paid for twelve nights.
The baker cut new pegs, and the schoolteacher helped.
So the week ends: seven boats in, eight boats out.

Monday. Wind from the west, and a hard frost.
No boat came in. The carpenter trimmed the lamp.
The baker asked the sailmaker for ten measures of lamp oil.
Tuesday. Wind from the west, and a hard frost.
The Plover and the Otter came in together.
Ines had ten hands aboard, Tomas had twelve.
Wednesday. Wind from the south, and a clear sky.
No boat came in. The schoolteacher swept the long shed.
The schoolteacher patched the roof, and the baker helped.
Thursday. Wind from the north, and a thin moon.
The Magpie and the Swallow came in together.
Walter had three hands aboard, Agnes had five.
Friday. Wind from the south-west, and a warm haze.
No boat came in. The harbour master trimmed the lamp.
Five cormorants sat on the crane all day.
Saturday. Wind from the south, and rain all morning.
The Otter and the Magpie came in together.
Tomas had five hands aboard, Walter had ten.
Sunday. Wind from the north-east, and a warm haze.
The Lantern came in with wool and paper.
Her captain, Bridget, paid for six nights.
The keeper of the light asked the carpenter for six measures of lamp oil.
So the week ends: nine boats in, seven boats out.

Monday. Wind from the north, and a heavy swell.
The Swallow and the Heron came in together.
Agnes had seven hands aboard, Marta had twelve.
The baker asked the schoolteacher for seven measures of lamp oil.
Tuesday. Wind from the south-west, and a warm haze.
The flag was raised two times for the Heron.
She lay off the bar until Marta saw the light.
The keeper of the light trimmed the lamp, and the ferryman helped.
Wednesday. Wind from the north-east, and hail before dawn.
The Lantern came in with wool and sacks of flour.
Her captain, Bridget, paid for nine nights.
The carpenter swept the long shed, and the baker helped.
Thursday. Wind from the south, and a heavy swell.
The drum was beaten ten times for the Plover.
She lay off the bar until Ines saw the light.
In the evening the keeper of the light swept the long shed.
Friday. Wind from the east, and thunder after supper.
No boat came in. The sailmaker cut new pegs.
Saturday. Wind from the south-west, and a thin moon.
The Magpie went out to the south-west with oak planks.
The Kestrel stayed, since Olaf was waiting for lamp oil.
Sunday. Wind from the north, and a thin moon.
No boat came in. The harbour master counted the anchors.
So the week ends: eight boats in, nine boats out.

Monday. Wind from the east, and a hard frost.
The Heron and the Lantern came in together.
Marta had eight hands aboard, Bridget had six.
Tuesday. Wind from the east, and a clear sky.
The drum was beaten four times for the Thistle.
She lay off the bar until Henrik saw the light.
Wednesday. Wind from the west, and a clear sky.
The Lantern came in with glass and iron nails.
Her captain, Bridget, paid for six nights.
Thursday. Wind from the south-west, and a warm haze.
The Lantern went out to the south-west with wool.
The Magpie stayed, since Walter was waiting for bricks.
The keeper of the light mended the pump, and the ferryman helped.
Friday. Wind from the north, and rain all morning.
The Plover and the Lantern came in together.
Ines had four hands aboard, Bridget had seven.
Eight cormorants sat on the crane all day.
Saturday. Wind from the east, and a thin moon.
The Otter and the Swallow came in together.
Tomas had four hands aboard, Agnes had three.
Sunday. Wind from the south, and a hard frost.
No boat came in. The sailmaker cut new pegs.
The widow at the inn cut new pegs, and the keeper of the light helped.
So the week ends: four boats in, three boats out.

Monday. Wind from the east, and thunder after supper.
No boat came in. The baker swept the long shed.
Tuesday. Wind from the north, and a thin moon.
The Plover came in with bricks and lamp oil.
Her captain, Ines, paid for ten nights.
The sailmaker swept the long shed, and the baker helped.
Wednesday. Wind from the north, and a hard frost.
The Lantern and the Plover came in together.
Bridget had three hands aboard, Ines had twelve.
The sailmaker sounded the channel, and the harbour master helped.
Thursday. Wind from the north-east, and a hard frost.
The bell rang nine times for the Thistle.
She lay off the bar until Henrik saw the light.
Friday. Wind from the south-west, and fog until noon.
The horn blew twelve times for the Magpie.
She lay off the bar until Walter saw the light.
Six terns sat on the crane all day.
Saturday. Wind from the east, and a hard frost.
The Thistle and the Lantern came in together.
Henrik had seven hands aboard, Bridget had three.
In the evening the baker counted the anchors.
Sunday. Wind from the north, and a clear sky.
No boat came in. The harbour master mended the pump.
The harbour master painted the north door, and the carpenter helped.
So the week ends: four boats in, seven boats out.

Monday. Wind from the north-east, and hail before dawn.
The Kestrel went out to the north-east with rope.
The Plover stayed, since Ines was waiting for glass.
Tuesday. Wind from the east, and a clear sky.
The Lantern and the Plover came in together.
Bridget had eight hands aboard, Ines had seven.
Wednesday. Wind from the south-west, and snow on the quay.
The drum was beaten eight times for the Heron.
She lay off the bar until Marta saw the light.
Thursday. Wind from the north-east, and hail before dawn.
No boat came in. The ferryman sounded the channel.
The harbour master asked the sailmaker for nine measures of lamp oil.
Friday. Wind from the north, and thunder after supper.
The Heron and the Swallow came in together.
Marta had ten hands aboard, Agnes had nine.
Saturday. Wind from the south-west, and a clear sky.
No boat came in. The keeper of the light swept the long shed.
The baker asked the ferryman for eight measures of lamp oil.
Sunday. Wind from the north, and thunder after supper.
No boat came in. The carpenter sounded the channel.
The ferryman trimmed the lamp, and the keeper of the light helped.
So the week ends: ten boats in, nine boats out.

Monday. Wind from the north, and a clear sky.
The Magpie and the Kestrel came in together.
Walter had ten hands aboard, Olaf had three.
Six gulls sat on the crane all day.
Tuesday. Wind from the west, and hail before dawn.
The Lantern came in with salt and iron nails.
Her captain, Bridget, paid for twelve nights.
Ten crows sat on the crane all day.
Wednesday. Wind from the east, and snow on the quay.
The Heron went out to the east with sacks of flour.
The Plover stayed, since Ines was waiting for lamp oil.
Thursday. Wind from the north-east, and rain all morning.
The Lantern and the Thistle came in together.
Bridget had four hands aboard, Henrik had six.
Friday. Wind from the south, and a hard frost.
No boat came in. The carpenter counted the anchors.
Eight terns sat on the crane all day.
Saturday. Wind from the north, and snow on the quay.
No boat came in. The keeper of the light oiled the crane.
Five crows sat on the crane all day.
Sunday. Wind from the west, and thunder after supper.
No boat came in. The schoolteacher oiled the crane.
So the week ends: six boats in, six boats out.

Monday. Wind from the north-east, and a clear sky.
The drum was beaten eight times for the Heron.
She lay off the bar until Marta saw the light.
The sailmaker painted the north door, and the baker helped.
Tuesday. Wind from the north, and a heavy swell.
The Magpie and the Kestrel came in together.
Walter had seven hands aboard, Olaf had two.
Wednesday. Wind from the south-west, and a clear sky.
No boat came in. The schoolteacher trimmed the lamp.
Thursday. Wind from the north, and rain all morning.
The Heron came in with bricks and sacks of flour.
Her captain, Marta, paid for five nights.
In the evening the widow at the inn swept the long shed.
Friday. Wind from the south, and fog until noon.
The Magpie went out to the south with paper.
The Lantern stayed, since Bridget was waiting for bricks.
Saturday. Wind from the south-west, and a clear sky.
The Swallow came in with seed corn and rope.
Her captain, Agnes, paid for eight nights.
The schoolteacher mended the pump, and the ferryman helped.
Sunday. Wind from the north-east, and a clear sky.
The Kestrel came in with glass and rope.
Her captain, Olaf, paid for three nights.
So the week ends: six boats in, six boats out.

Monday. Wind from the south, and fog until noon.
The Thistle went out to the south with oak planks.
The Plover stayed, since Ines was waiting for glass.
Tuesday. Wind from the north, and a clear sky.
The Lantern went out to the north with seed corn.
The Swallow stayed, since Agnes was waiting for barrels of herring.
Wednesday. Wind from the north-east, and snow on the quay.
The Lantern went out to the north-east with glass.
The Otter stayed, since Tomas was waiting for rope.
Thursday. Wind from the south-west, and a thin moon.
The bell rang four times for the Kestrel.
She lay off the bar until Olaf saw the light.
The widow at the inn asked the baker for four measures of lamp oil.
Friday. Wind from the east, and hail before dawn.
The Kestrel went out to the east with paper.
The Magpie stayed, since Walter was waiting for rope.
Saturday. Wind from the north-east, and a heavy swell.
The Lantern and the Swallow came in together.
Bridget had six hands aboard, Agnes had twelve.
The keeper of the light asked the carpenter for six measures of lamp oil.
Sunday. Wind from the north, and a thin moon.
No boat came in. The schoolteacher wrote to the council.
So the week ends: three boats in, seven boats out.

Monday. Wind from the east, and hail before dawn.
The Heron came in with seed corn and oak planks.
Her captain, Marta, paid for ten nights.
The keeper of the light asked the harbour master for ten measures of lamp oil.
Tuesday. Wind from the north-east, and hail before dawn.
The Swallow came in with glass and salt.
Her captain, Agnes, paid for seven nights.
Wednesday. Wind from the north, and a warm haze.
The Thistle and the Heron came in together.
Henrik had twelve hands aboard, Marta had six.
The sailmaker asked the widow at the inn for twelve measures of lamp oil.
Thursday. Wind from the east, and fog until noon.
No boat came in. The harbour master wrote to the council.
Friday. Wind from the south-west, and a heavy swell.
The bell rang twelve times for the Lantern.
She lay off the bar until Bridget saw the light.
Saturday. Wind from the east, and rain all morning.
No boat came in. The baker wrote to the council.
Sunday. Wind from the north, and thunder after supper.
The bell rang three times for the Plover.
She lay off the bar until Ines saw the light.
So the week ends: eight boats in, six boats out.

Monday. Wind from the south, and a clear sky.
The Kestrel came in with rope and bricks.
Her captain, Olaf, paid for seven nights.
In the evening the sailmaker mended the pump.
Tuesday. Wind from the west, and rain all morning.
The horn blew ten times for the Magpie.
She lay off the bar until Walter saw the light.
Wednesday. Wind from the north, and a heavy swell.
The flag was raised seven times for the Thistle.
She lay off the bar until Henrik saw the light.
Thursday. Wind from the north-east, and rain all morning.
No boat came in. The carpenter oiled the crane.
Three terns sat on the crane all day.
Friday. Wind from the south, and a clear sky.
No boat came in. The widow at the inn wrote to the council.
Saturday. Wind from the north-east, and a clear sky.
The Otter came in with rope and iron nails.
Her captain, Tomas, paid for six nights.
Sunday. Wind from the south, and a clear sky.
No boat came in. The schoolteacher oiled the crane.
The baker swept the long shed, and the keeper of the light helped.
So the week ends: four boats in, five boats out.

Monday. Wind from the south-west, and a heavy swell.
The Lantern and the Magpie came in together.
Bridget had three hands aboard, Walter had six.
The schoolteacher asked the harbour master for three measures of lamp oil.
Tuesday. Wind from the south, and fog until noon.
The Swallow and the Magpie came in together.
Agnes had three hands aboard, Walter had six.
Wednesday. Wind from the west, and a thin moon.
The Lantern went out to the west with barrels of herring.
The Plover stayed, since Ines was waiting for paper.
Thursday. Wind from the north, and hail before dawn.
No boat came in. The schoolteacher cut new pegs.
Friday. Wind from the south-west, and rain all morning.
The bell rang three times for the Swallow.
She lay off the bar until Agnes saw the light.
The harbour master asked the widow at the inn for three measures of lamp oil.
Saturday. Wind from the south, and fog until noon.
No boat came in. The baker sounded the channel.
Sunday. Wind from the south-west, and a heavy swell.
No boat came in. The carpenter painted the north door.
The widow at the inn painted the north door, and the keeper of the light helped.
So the week ends: four boats in, six boats out.

Monday. Wind from the south, and a clear sky.
No boat came in. The harbour master patched the roof.
Tuesday. Wind from the north, and rain all morning.
The Thistle and the Kestrel came in together.
Henrik had two hands aboard, Olaf had three.
Wednesday. Wind from the north, and a heavy swell.
The Heron came in with barrels of herring and sacks of flour.
Her captain, Marta, paid for twelve nights.
The keeper of the light asked the ferryman for twelve measures of lamp oil.
Thursday. Wind from the east, and fog until noon.
The drum was beaten five times for the Thistle.
She lay off the bar until Henrik saw the light.
Friday. Wind from the south-west, and a clear sky.
The Thistle went out to the south-west with lamp oil.
The Swallow stayed, since Agnes was waiting for seed corn.
In the evening the sailmaker swept the long shed.
Saturday. Wind from the north-east, and a clear sky.
The Swallow and the Magpie came in together.
Agnes had twelve hands aboard, Walter had two.
The sailmaker cut new pegs, and the widow at the inn helped.
Sunday. Wind from the north-east, and a warm haze.
The horn blew five times for the Kestrel.
She lay off the bar until Olaf saw the light.
In the evening the schoolteacher wrote to the council.
So the week ends: seven boats in, five boats out.

Monday. Wind from the north-east, and fog until noon.
No boat came in. The harbour master wrote to the council.
Tuesday. Wind from the south, and snow on the quay.
The Plover and the Kestrel came in together.
Ines had four hands aboard, Olaf had nine.
In the evening the baker mended the pump.
Wednesday. Wind from the south-west, and rain all morning.
The Otter and the Plover came in together.
Tomas had seven hands aboard, Ines had twelve.
The keeper of the light asked the widow at the inn for seven measures of lamp oil.
Thursday. Wind from the north, and a heavy swell.
No boat came in. The sailmaker painted the north door.
In the evening the carpenter oiled the crane.
Friday. Wind from the north-east, and thunder after supper.
The flag was raised nine times for the Thistle.
She lay off the bar until Henrik saw the light.
Saturday. Wind from the west, and a thin moon.
The Otter came in with iron nails and salt.
Her captain, Tomas, paid for nine nights.
In the evening the harbour master swept the long shed.
Sunday. Wind from the west, and fog until noon.
The Plover went out to the west with glass.
The Magpie stayed, since Walter was waiting for iron nails.
The baker asked the widow at the inn for three measures of lamp oil.
So the week ends: nine boats in, six boats out.

Monday. Wind from the east, and a warm haze.
The flag was raised twelve times for the Thistle.
She lay off the bar until Henrik saw the light.
The widow at the inn asked the keeper of the light for twelve measures of lamp oil.
Tuesday. Wind from the east, and a clear sky.
The Lantern and the Thistle came in together.
Bridget had twelve hands aboard, Henrik had eight.
The keeper of the light mended the pump, and the schoolteacher helped.
Wednesday. Wind from the north-east, and a warm haze.
The Magpie and the Thistle came in together.
Walter had two hands aboard, Henrik had nine.
Thursday. Wind from the north, and a clear sky.
The Magpie came in with lamp oil and seed corn.
Her captain, Walter, paid for nine nights.
Two cormorants sat on the crane all day.
Friday. Wind from the south, and thunder after supper.
The bell rang three times for the Heron.
She lay off the bar until Marta saw the light.
Saturday. Wind from the west, and a thin moon.
The Magpie and the Plover came in together.
Walter had seven hands aboard, Ines had ten.
Sunday. Wind from the west, and a hard frost.
The Otter and the Thistle came in together.
Tomas had four hands aboard, Henrik had five.
So the week ends: four boats in, three boats out.

Monday. Wind from the south-west, and thunder after supper.
No boat came in. The ferryman painted the north door.
Tuesday. Wind from the east, and a clear sky.
The drum was beaten six times for the Lantern.
She lay off the bar until Bridget saw the light.
Wednesday. Wind from the south-west, and a warm haze.
The Lantern came in with iron nails and salt.
Her captain, Bridget, paid for eight nights.
Thursday. Wind from the west, and fog until noon.
The Magpie went out to the west with oak planks.
The Thistle stayed, since Henrik was waiting for bricks.
Friday. Wind from the south-west, and a warm haze.
The Otter and the Kestrel came in together.
Tomas had four hands aboard, Olaf had ten.
Saturday. Wind from the south-west, and thunder after supper.
The Lantern came in with wool and iron nails.
Her captain, Bridget, paid for three nights.
Sunday. Wind from the north-east, and thunder after supper.
The Swallow came in with glass and wool.
Her captain, Agnes, paid for nine nights.
Ten gulls sat on the crane all day.
So the week ends: ten boats in, five boats out.

Monday. Wind from the north-east, and a warm haze.
The Swallow came in with lamp oil and oak planks.
Her captain, Agnes, paid for eight nights.
Eight cormorants sat on the crane all day.
Tuesday. Wind from the west, and hail before dawn.
No boat came in. The sailmaker patched the roof.
Wednesday. Wind from the north, and a clear sky.
The drum was beaten two times for the Heron.
She lay off the bar until Marta saw the light.
Thursday. Wind from the south-west, and a warm haze.
The Thistle came in with salt and sacks of flour.
Her captain, Henrik, paid for nine nights.
Friday. Wind from the north, and hail before dawn.
The flag was raised two times for the Otter.
She lay off the bar until Tomas saw the light.
Saturday. Wind from the north-east, and a heavy swell.
No boat came in. The harbour master painted the north door.
Sunday. Wind from the north, and a warm haze.
The Lantern came in with glass and seed corn.
Her captain, Bridget, paid for eight nights.
So the week ends: nine boats in, twelve boats out.

Monday. Wind from the south, and rain all morning.
The Kestrel and the Magpie came in together.
Olaf had twelve hands aboard, Walter had seven.
In the evening the carpenter patched the roof.
Tuesday. Wind from the north, and thunder after supper.
No boat came in. The carpenter trimmed the lamp.
The carpenter mended the pump, and the sailmaker helped.
Wednesday. Wind from the west, and a thin moon.
No boat came in. The keeper of the light swept the long shed.
The widow at the inn swept the long shed, and the carpenter helped.
Thursday. Wind from the south-west, and a warm haze.
The Thistle and the Swallow came in together.
Henrik had eight hands aboard, Agnes had seven.
The ferryman wrote to the council, and the keeper of the light helped.
Friday. Wind from the north, and a heavy swell.
The Magpie and the Swallow came in together.
Walter had eight hands aboard, Agnes had three.
Saturday. Wind from the east, and a thin moon.
The Magpie went out to the east with sacks of flour.
The Lantern stayed, since Bridget was waiting for iron nails.
Sunday. Wind from the north-east, and a heavy swell.
The Lantern and the Plover came in together.
Bridget had two hands aboard, Ines had six.
So the week ends: nine boats in, seven boats out.

Monday. Wind from the west, and a clear sky.
The Lantern came in with iron nails and seed corn.
Her captain, Bridget, paid for six nights.
Tuesday. Wind from the north-east, and a hard frost.
The Magpie and the Otter came in together.
Walter had twelve hands aboard, Tomas had two.
The harbour master asked the widow at the inn for twelve measures of lamp oil.
Wednesday. Wind from the south-west, and a thin moon.
The Otter came in with wool and barrels of herring.
Her captain, Tomas, paid for seven nights.
Thursday. Wind from the west, and snow on the quay.
The Plover went out to the west with barrels of herring.
The Thistle stayed, since Henrik was waiting for wool.
Six gulls sat on the crane all day.
Friday. Wind from the north-east, and snow on the quay.
The drum was beaten six times for the Heron.
She lay off the bar until Marta saw the light.
Saturday. Wind from the south, and a heavy swell.
The Thistle and the Plover came in together.
Henrik had two hands aboard, Ines had nine.
Sunday. Wind from the north-east, and a clear sky.
The Thistle and the Kestrel came in together.
Henrik had twelve hands aboard, Olaf had seven.
So the week ends: eight boats in, four boats out.

Monday. Wind from the south-west, and snow on the quay.
The Lantern and the Swallow came in together.
Bridget had seven hands aboard, Agnes had twelve.
Tuesday. Wind from the east, and rain all morning.
The bell rang nine times for the Otter.
She lay off the bar until Tomas saw the light.
Twelve geese sat on the crane all day.
Wednesday. Wind from the north, and a thin moon.
The Kestrel and the Plover came in together.
Olaf had twelve hands aboard, Ines had four.
In the evening the baker mended the pump.
Thursday. Wind from the south, and a hard frost.
The Heron and the Lantern came in together.
Marta had five hands aboard, Bridget had six.
In the evening the schoolteacher patched the roof.
Friday. Wind from the north, and a hard frost.
The flag was raised ten times for the Kestrel.
She lay off the bar until Olaf saw the light.
Saturday. Wind from the west, and hail before dawn.
The horn blew six times for the Otter.
She lay off the bar until Tomas saw the light.
Two geese sat on the crane all day.
Sunday. Wind from the south, and hail before dawn.
The Swallow came in with lamp oil and paper.
Her captain, Agnes, paid for nine nights.
The carpenter asked the sailmaker for nine measures of lamp oil.
So the week ends: ten boats in, eight boats out.

Monday. Wind from the east, and rain all morning.
The Swallow came in with paper and lamp oil.
Her captain, Agnes, paid for three nights.
Tuesday. Wind from the south-west, and a heavy swell.
The bell rang ten times for the Plover.
She lay off the bar until Ines saw the light.
Wednesday. Wind from the west, and hail before dawn.
The drum was beaten nine times for the Lantern.
She lay off the bar until Bridget saw the light.
Thursday. Wind from the south, and snow on the quay.
The Heron and the Magpie came in together.
Marta had five hands aboard, Walter had three.
In the evening the keeper of the light oiled the crane.
Friday. Wind from the north, and a clear sky.
No boat came in. The schoolteacher oiled the crane.
Saturday. Wind from the south-west, and a heavy swell.
The Lantern and the Magpie came in together.
Bridget had two hands aboard, Walter had twelve.
In the evening the sailmaker wrote to the council.
Sunday. Wind from the south, and a clear sky.
The Swallow went out to the south with iron nails.
The Lantern stayed, since Bridget was waiting for rope.
The keeper of the light wrote to the council, and the schoolteacher helped.
So the week ends: eight boats in, nine boats out.

Monday. Wind from the north-east, and thunder after supper.
The drum was beaten three times for the Plover.
She lay off the bar until Ines saw the light.
Tuesday. Wind from the north-east, and a thin moon.
The Plover came in with iron nails and glass.
Her captain, Ines, paid for four nights.
Wednesday. Wind from the south, and fog until noon.
The Otter went out to the south with seed corn.
The Magpie stayed, since Walter was waiting for salt.
The widow at the inn asked the keeper of the light for three measures of lamp oil.
Thursday. Wind from the north, and fog until noon.
The Heron went out to the north with barrels of herring.
The Lantern stayed, since Bridget was waiting for wool.
Friday. Wind from the north, and a heavy swell.
The Plover came in with sacks of flour and salt.
Her captain, Ines, paid for four nights.
Saturday. Wind from the south, and snow on the quay.
The Otter came in with oak planks and seed corn.
Her captain, Tomas, paid for three nights.
Sunday. Wind from the south, and a warm haze.
The bell rang eight times for the Lantern.
She lay off the bar until Bridget saw the light.
The widow at the inn asked the baker for eight measures of lamp oil.
So the week ends: two boats in, eight boats out.

Monday. Wind from the north-east, and a warm haze.
The Plover and the Lantern came in together.
Ines had four hands aboard, Bridget had twelve.
Tuesday. Wind from the north, and snow on the quay.
The Kestrel came in with wool and sacks of flour.
Her captain, Olaf, paid for six nights.
Wednesday. Wind from the west, and rain all morning.
No boat came in. The schoolteacher patched the roof.
Thursday. Wind from the west, and a hard frost.
No boat came in. The widow at the inn patched the roof.
Five terns sat on the crane all day.
Friday. Wind from the west, and thunder after supper.
The horn blew six times for the Otter.
She lay off the bar until Tomas saw the light.
Saturday. Wind from the west, and rain all morning.
The Swallow came in with paper and glass.
Her captain, Agnes, paid for seven nights.
Sunday. Wind from the east, and a warm haze.
The Thistle went out to the east with seed corn.
The Magpie stayed, since Walter was waiting for paper.
So the week ends: four boats in, nine boats out.

Monday. Wind from the west, and snow on the quay.
The Magpie and the Thistle came in together.
Walter had ten hands aboard, Henrik had eight.
Tuesday. Wind from the south-west, and a heavy swell.
The horn blew five times for the Magpie.
She lay off the bar until Walter saw the light.
Wednesday. Wind from the south, and fog until noon.
The Plover and the Otter came in together.
Ines had twelve hands aboard, Tomas had seven.
Six geese sat on the crane all day.
Thursday. Wind from the north, and snow on the quay.
The Thistle came in with iron nails and sacks of flour.
Her captain, Henrik, paid for two nights.
In the evening the baker counted the anchors.
Friday. Wind from the south-west, and a warm haze.
The horn blew seven times for the Kestrel.
She lay off the bar until Olaf saw the light.
Saturday. Wind from the west, and snow on the quay.
The Thistle came in with wool and iron nails.
Her captain, Henrik, paid for eight nights.
The sailmaker asked the carpenter for eight measures of lamp oil.
Sunday. Wind from the south, and a hard frost.
The Heron came in with lamp oil and glass.
Her captain, Marta, paid for seven nights.
So the week ends: ten boats in, eight boats out.

Monday. Wind from the south-west, and rain all morning.
The Swallow came in with seed corn and bricks.
Her captain, Agnes, paid for nine nights.
Nine cormorants sat on the crane all day.
Tuesday. Wind from the south, and thunder after supper.
No boat came in. The carpenter mended the pump.
The baker counted the anchors, and the carpenter helped.
Wednesday. Wind from the south-west, and a clear sky.
The bell rang seven times for the Kestrel.
She lay off the bar until Olaf saw the light.
The harbour master counted the anchors, and the baker helped.
Thursday. Wind from the west, and hail before dawn.
No boat came in. The sailmaker oiled the crane.
Friday. Wind from the south-west, and a heavy swell.
The Otter went out to the south-west with rope.
The Plover stayed, since Ines was waiting for bricks.
The ferryman asked the widow at the inn for four measures of lamp oil.
Saturday. Wind from the north-east, and snow on the quay.
)";

}  // namespace kiln
