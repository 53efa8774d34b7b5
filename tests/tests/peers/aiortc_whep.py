"""A WHEP client made of aiortc: listens for a while and writes what it heard as raw 16-bit stereo at 48 kHz.

usage: aiortc_whep.py URL MEDIA SECONDS FILE    (MEDIA: the offer's m-lines in order, such as audio or video,audio)
"""

import asyncio
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from av import AudioResampler


def ask(url, method, body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read().decode()


async def main(url, media, seconds, path):
    peer = RTCPeerConnection()
    heard = asyncio.get_running_loop().create_future()
    for kind in media.split(","):
        peer.addTransceiver(kind, direction="recvonly")

    @peer.on("track")
    def on_track(track):
        if track.kind == "audio" and not heard.done():
            heard.set_result(track)

    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp.encode()
    headers, answer = await asyncio.to_thread(ask, url, "POST", offer, {"Content-Type": "application/sdp"})
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    track = await asyncio.wait_for(heard, 10)
    resampler = AudioResampler(format="s16", layout="stereo", rate=48000)
    frames = 0
    with open(path, "wb") as file:
        while frames < seconds * 48000:
            frame = await asyncio.wait_for(track.recv(), 10)
            for part in resampler.resample(frame):
                file.write(bytes(part.planes[0])[: part.samples * 4])
                frames += part.samples
    await asyncio.to_thread(ask, urllib.parse.urljoin(url, headers["Location"]), "DELETE")
    await peer.close()


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]))
