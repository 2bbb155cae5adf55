"""Rasterise triangles with OpenGL on EGL, on a GPU or with Mesa's software rasteriser.

Shading is per pixel in linear light: directional lights, a hemispheric ambient light and a specular highlight; the key
light casts shadows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import moderngl
import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError
from model.render.head import Floats, Indices

_SHADOW_SIZE = 256  # pixels
_OPENGL: dict[str, Any] = {"require": 330, "backend": "egl"}

_VERTEX = """
#version 330
uniform mat4 view;
uniform mat4 shadow_view;
in vec3 place;
in vec3 normal;
in vec4 paint;
out vec3 v_place;
out vec3 v_normal;
out vec4 v_paint;
out vec3 v_shadow;
void main() {
    v_place = place;
    v_normal = normal;
    v_paint = paint;
    vec4 s = shadow_view * vec4(place, 1.0);
    v_shadow = s.xyz * 0.5 + 0.5;
    gl_Position = view * vec4(place, 1.0);
}
"""
_FRAGMENT = """
#version 330
uniform vec3 eye;
uniform vec3 to_light[3];
uniform vec3 light[3];
uniform vec3 sky;
uniform vec3 ground;
uniform float softness;
uniform float shadow_depth;
uniform sampler2DShadow shadows;
in vec3 v_place;
in vec3 v_normal;
in vec4 v_paint;
in vec3 v_shadow;
out vec4 colour;
void main() {
    vec3 n = normalize(v_normal);
    vec3 to_eye = normalize(eye - v_place);
    if (dot(n, to_eye) < 0.0) n = -n;
    vec3 albedo = v_paint.rgb * v_paint.rgb;
    float gloss = v_paint.a;
    vec3 sum = albedo * mix(ground, sky, n.y * 0.5 + 0.5);
    float lit = mix(1.0, texture(shadows, vec3(v_shadow.xy, v_shadow.z - 0.012)), shadow_depth);
    for (int k = 0; k < 3; k++) {
        float facing = max((dot(n, to_light[k]) + softness) / (1.0 + softness), 0.0);
        sum += (k == 0 ? lit : 1.0) * facing * light[k] * albedo;
    }
    float shine = max(dot(n, normalize(to_light[0] + to_eye)), 0.0);
    sum += lit * light[0] * (gloss * 0.5 * pow(shine, 12.0 + 60.0 * gloss));
    colour = vec4(sum, 1.0);
}
"""
_SHADOW_VERTEX = """
#version 330
uniform mat4 shadow_view;
in vec3 place;
void main() { gl_Position = shadow_view * vec4(place, 1.0); }
"""
_SHADOW_FRAGMENT = """
#version 330
void main() {}
"""


@dataclass(frozen=True)
class Lighting:
    """The light on a scene.

    Attributes:
        to_light: (3, 3), unit vectors towards each light; the first casts shadows.
        light: (3, 3), linear RGB of each.
        sky: (3,), linear RGB of ambient light from above.
        ground: (3,), and from below.
        softness: 0 for a point, up to 1 for light that wraps around.
        shadow_depth: 0 for no cast shadows, 1 for black ones.
    """

    to_light: Floats
    light: Floats
    sky: Floats
    ground: Floats
    softness: float
    shadow_depth: float


class Rasteriser:
    """Render meshes to a square picture; several instances in a process are independent.

    Args:
        size: side in pixels.

    Raises:
        ModelError: OpenGL cannot render without a screen.
    """

    def __init__(self, size: int) -> None:
        try:
            self._gl = moderngl.create_standalone_context(**_OPENGL)
        except Exception as error:  # moderngl raises bare Exception
            raise ModelError(
                f"OpenGL cannot render without a screen ({error}): install EGL and a driver "
                "(Debian, Ubuntu: apt install libegl1 libgl1-mesa-dri)."
            ) from error
        gl = self._gl
        self._program = gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._shadow_program = gl.program(vertex_shader=_SHADOW_VERTEX, fragment_shader=_SHADOW_FRAGMENT)
        # Multisampling makes Mesa three times slower; rendering larger and downscaling does not.
        self._picture = gl.framebuffer(
            gl.renderbuffer((size, size), 4, dtype="f2"), gl.depth_renderbuffer((size, size))
        )
        self._shadow_map = gl.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow = gl.framebuffer(depth_attachment=self._shadow_map)
        self._size = size
        self._arrays: tuple[moderngl.VertexArray, moderngl.VertexArray] | None = None

    def take(self, paint: NDArray[np.uint8], triangles: Indices, opaque: Indices) -> None:
        """Upload a mesh.

        Args:
            paint: (V, 4): the square root of linear RGB, and gloss, each of 255.
            triangles: (F, 3).
            opaque: (G, 3), those that cast shadows.
        """
        self._release()
        with self._gl as gl:
            self._moving = gl.buffer(reserve=len(paint) * 24, dynamic=True)
            self._paint = gl.buffer(np.ascontiguousarray(paint))
            self._index, self._opaque = (gl.buffer(np.ascontiguousarray(t, np.int32)) for t in (triangles, opaque))
            moving = (self._moving, "3f 3f", "place", "normal")
            drawn = gl.vertex_array(self._program, [moving, (self._paint, "4f1", "paint")], self._index)
            shadow = gl.vertex_array(self._shadow_program, [(self._moving, "3f 12x", "place")], self._opaque)
            self._arrays = drawn, shadow

    def draw(
        self, places: Floats, normals: Floats, *, view: Floats, eye: Floats, shadow_view: Floats, lighting: Lighting
    ) -> NDArray[np.float16]:
        """Render the uploaded mesh.

        Args:
            places: (V, 3), cm.
            normals: (V, 3), of any length.
            view: (4, 4), the camera: clip coordinates = view · (place, 1).
            eye: (3,), where the camera is.
            shadow_view: (4, 4), the same for the first light.
            lighting: the light.

        Returns:
            (size, size, 4): linear RGB, not bounded above, and 1 where the pixel is covered, else 0.
        """
        if self._arrays is None:
            raise RuntimeError("no mesh was taken")
        drawn, shadow = self._arrays
        with self._gl as gl:
            self._moving.write(np.concatenate((places, normals), axis=1, dtype=np.float32))
            gl.enable_only(moderngl.DEPTH_TEST)
            _set(self._shadow_program, "shadow_view", shadow_view.T)
            if lighting.shadow_depth > 0:
                self._shadow.use()
                self._shadow.clear(depth=1.0)
                shadow.render()
            for name, value in (
                ("view", view.T),
                ("shadow_view", shadow_view.T),
                ("eye", eye),
                ("to_light", lighting.to_light),
                ("light", lighting.light),
                ("sky", lighting.sky),
                ("ground", lighting.ground),
                ("softness", lighting.softness),
                ("shadow_depth", lighting.shadow_depth),
            ):
                _set(self._program, name, value)
            self._picture.use()
            self._picture.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
            self._shadow_map.use(0)
            drawn.render()
            raw = self._picture.read(components=4, dtype="f2")
        return np.frombuffer(raw, np.float16).reshape(self._size, self._size, 4)[::-1]

    def close(self) -> None:
        """Release all OpenGL resources."""
        self._release()
        self._gl.release()

    def _release(self) -> None:
        if self._arrays is not None:
            with self._gl:
                for held in (*self._arrays, self._moving, self._paint, self._index, self._opaque):
                    held.release()
            self._arrays = None


def _set(program: moderngl.Program, name: str, value: Floats | float) -> None:
    cast("moderngl.Uniform", program[name]).write(np.ascontiguousarray(value, np.float32))
