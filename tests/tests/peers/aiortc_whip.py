"""A WHIP publisher made of aiortc: says a tone of half of full scale for a while.

usage: aiortc_whip.py URL HERTZ SECONDS
"""

import asyncio
import fractions
import math
import struct
import sys
import urllib.parse
import urllib.request

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

RATE = 48000
SAMPLES = 960


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self.hertz = hertz
        self.said = 0
        self.began = None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self.began = self.began or loop.time()
        await asyncio.sleep(self.began + self.said / RATE - loop.time())
        turn = math.tau * self.hertz / RATE
        wave = [int(16383 * math.sin(turn * index)) for index in range(self.said, self.said + SAMPLES)]
        frame = AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
        frame.planes[0].update(struct.pack(f"<{2 * SAMPLES}h", *(sample for sample in wave for _ in (0, 1))))
        frame.pts, frame.sample_rate, frame.time_base = self.said, RATE, fractions.Fraction(1, RATE)
        self.said += SAMPLES
        return frame


def ask(url, method, body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read().decode()


async def main(url, hertz, seconds):
    peer = RTCPeerConnection()
    peer.addTransceiver(Tone(hertz), direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp.encode()
    headers, answer = await asyncio.to_thread(ask, url, "POST", offer, {"Content-Type": "application/sdp"})
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.sleep(seconds)
    await asyncio.to_thread(ask, urllib.parse.urljoin(url, headers["Location"]), "DELETE")
    await peer.close()


asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
