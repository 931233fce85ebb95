@echo off
rem Finds the Python of this pack and runs install.py with it, without a network.
py -@PYTHON@ -c "" >nul 2>nul || goto python
py -@PYTHON@ -I "%~dp0install.py" %*
exit /b %errorlevel%
:python
python -I "%~dp0install.py" %*
exit /b %errorlevel%
